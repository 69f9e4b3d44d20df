import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect } from 'vitest';
import { Container, Volume } from '../../../lib/index.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { seededRandom } from '../../fixtures/random.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { differences, inventory } from '../../fixtures/tree.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { it } = requires({ root: true, tools: ['busybox', 'getfattr'] });
const folder = temporaryFolder();
const store = join(folder, 'store');
beforeEach(() => {
  process.env.NACELLE_ROOT = store;
});
afterEach(() => {
  delete process.env.NACELLE_ROOT;
});

const below = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
const kills = Number(process.env.NACELLE_KILLS ?? 10);

it(`a process that is killed at ${kills} moments leaves a volume whole, empty or not made`, { timeout: 1_800_000 }, async () => {
  const root = join(folder, 'root');
  execFileSync('cp', ['-a', `${await busyboxRootfs()}/.`, root]);
  execFileSync('sh', ['-ec', 'mkdir data; cd data; for i in $(seq 1500); do echo $i > $i; done'], { cwd: root });
  const whole = inventory(join(root, 'data'));
  const options = { image: `dir:${root}`, command: ['true'], volumes: ['data:/data'] };
  const random = seededRandom(20261127);
  let unfilled = 0;
  for (let kill = 0; kill < kills; kill++) {
    const node = startNode('use-volume', [options.image, 'data:/data', 'true']);
    // before that it starts, which takes most of its time
    await until('the process works in the store', () => below(join(store, 'tmp')).length > 0 || below(join(store, 'volumes')).length > 0);
    await delay(random() * 250);
    node.process.kill('SIGKILL');
    await node.ended;
    const names = below(join(store, 'volumes'));
    expect(names.length === 0 || names.join() === 'data').toBe(true);
    if (names.length > 0) {
      const { path } = await Volume.open('data');
      const left = inventory(path);
      if (Object.keys(left).length === 0) unfilled++;
      else expect(differences(whole, left)).toEqual([]);
    }
    await Container.run(options);
    const volume = await Volume.open('data');
    expect(differences(whole, inventory(volume.path))).toEqual([]);
    await volume.remove();
    // what the shim's processes of the dead one still write is removed when they have ended
    await until('nothing is left', async () => {
      await Volume.prune();
      return below(join(store, 'tmp')).length === 0;
    });
  }
  // some of the moments were those of the copying
  expect(unfilled).toBeGreaterThan(0);
});
