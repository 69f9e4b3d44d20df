import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Container, type ContainerOptions, Image } from '../../../lib/index.js';
import { descendants, makerOfContainers } from '../../fixtures/host.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';
import { attack, byHand } from '../attack.js';
import { beside } from '../inside.js';
import { SECRET } from '../outside.js';

const LEAVE = 'echo left > /tmp/left; echo "$SECRET" > /dev/shm/secret; setsid sleep 1000 </dev/null >/dev/null 2>&1 &';
const FIND = 'cat /tmp/left /dev/shm/secret 2>/dev/null; grep -h sleep /proc/[0-9]*/comm || echo nothing';
const env = { SECRET };

/** What one run of a pool finds of the run before. */
async function foundInPool(): Promise<string> {
  await using pool = await Container.pool(await busybox(), { ready: 1 });
  await pool.run({ command: ['sh', '-c', LEAVE], env });
  await until('another one waits', () => pool.ready === 1);
  const there = descendants(makerOfContainers() ?? 0).map(({ pid }) => pid);
  const run = pool.run({ command: ['sh', '-c', FIND] });
  const pid = await run.pid;
  const { stdout } = await run;
  return there.includes(pid) ? stdout.trim() : `process ${pid} has not waited`;
}

/** What a program sees of a file that came to be hidden when its container was there already. */
async function hiddenLater(run: (options: ContainerOptions, appears: () => void) => Promise<string>): Promise<string> {
  // an ordinary user's temporary files are in memory during these tests, which the host image shows to nobody
  const folder = mkdtempSync('/var/tmp/nacelle-test-');
  const path = join(folder, 'late.key');
  const image = Image.host({ hide: [path] });
  const appears = (): void => writeFileSync(path, SECRET, { mode: 0o644 });
  try {
    return (await run({ image, command: ['sh', '-c', `cat ${path} 2>/dev/null || echo missing`] }, appears)).trim();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const pools = [
  attack({
    attack: 'leaves files, shared memory and a process for whoever comes next',
    source: 'sandboxes that are used again',
    protection: 'each container of a pool is used once',
    tries: foundInPool,
    on: [{}, 'nothing'],
    off: byHand('two programs of one container', `left\n${SECRET}\nsleep`, () =>
      beside({ init: true }, async (container) => {
        await container.exec(['sh', '-c', LEAVE.replace(/&$/, '')], { env, detach: true });
        return until('it has left all', async () => {
          const { stdout } = await container.exec(['sh', '-c', FIND]);
          return stdout.trim().split('\n').length >= 3 && [...new Set(stdout.trim().split('\n'))].join('\n');
        });
      }),
    ),
  }),
  attack({
    attack: 'reads a file that was hidden after its container was made',
    source: 'secrets that are written later',
    protection: 'a change of what is to be hidden discards the containers that wait',
    tries: async () =>
      hiddenLater(async (options, appears) => {
        await using pool = await Container.pool(options, { ready: 1 });
        appears();
        return (await pool.run()).stdout;
      }),
    on: [{}, 'missing'],
    off: byHand('a container that was created before', SECRET, () =>
      hiddenLater(async (options, appears) => {
        await using container = await Container.create(options);
        appears();
        await container.start();
        return (await container.wait()).stdout;
      }),
    ),
  }),
];
