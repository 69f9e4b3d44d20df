import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { seededRandom } from '../../fixtures/random.js';
import { requires } from '../../fixtures/requires.js';
import { rounds, seed } from '../../fixtures/rounds.js';
import { makeBundle } from '../../fixtures/runtime-bundle.js';
import { folder, type Killed, LONG, nothingLeft, oci, prepare, states } from './ground.js';

const { describe, it } = requires({ root: true, tools: ['busybox', 'runc', 'strace'] });
const moments = rounds(2, 100);

/** What the front does itself. */
const OF_THE_FRONT: readonly Killed[] = [
  ['created', 'start', 'one'],
  ['running', 'kill', 'one', 'KILL'],
  ['running', 'pause', 'one'],
  ['paused', 'resume', 'one'],
  ['created', 'delete', 'one'],
  ['paused', 'delete', '--force', 'one'],
];

/** Rounds that come after the others, until one has killed the front: what waits may call the kernel less often than before. */
const MORE_MOMENTS = 20;

interface TracedFront {
  /** The names of its system calls, in their order. */
  readonly calls: readonly string[];
  /** By which it was ended: strace(1) then ends by it too. */
  readonly signal: NodeJS.Signals | null;
}

/** The front under strace(1). */
async function tracedFront(words: readonly string[], options: readonly string[]): Promise<TracedFront> {
  const log = join(folder, 'trace');
  rmSync(log, { force: true });
  const child = spawn('strace', ['-o', log, ...options, '--', `${states}-nacelle-oci`, '--root', states, ...words], { stdio: 'ignore' });
  const [, signal]: (NodeJS.Signals | null)[] = await once(child, 'exit');
  return { calls: [...readFileSync(log, 'utf8').matchAll(/^(\w+)\(/gm)].map(([, name = '']) => name), signal: signal ?? null };
}

describe('the front that is killed', () => {
  it.each(OF_THE_FRONT.map(([before, ...command]) => ({ before, command, title: command.join(' ') })))(
    `$before, $title, at ${moments} system calls: the next delete --force leaves nothing (seed ${seed})`,
    LONG,
    async ({ before, command }) => {
      const random = seededRandom(seed);
      const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
      await prepare(before, bundle);
      const { calls, signal } = await tracedFront(command, []);
      expect(signal).toBeNull();
      // Node would have been executed after the front
      expect(calls.filter((name) => name === 'execve')).toHaveLength(1);
      expect(await oci('delete', '--force', 'one')).toMatchObject({ code: 0, stderr: '' });
      let kills = 0;
      for (let round = 0; round < moments || (kills === 0 && round < moments + MORE_MOMENTS); ++round) {
        await prepare(before, bundle);
        const at = 1 + Math.floor(random() * (calls.length - 1));
        const [name = '', when] = [calls[at], calls.slice(0, at + 1).filter((other) => other === calls[at]).length];
        const killed = await tracedFront(command, [`--inject=${name}:signal=KILL:when=${when}`]);
        const told = `${command.join(' ')} killed at ${name} number ${when}`;
        expect([null, 'SIGKILL'], told).toContain(killed.signal);
        if (killed.signal === 'SIGKILL') kills++;
        expect(await oci('delete', '--force', 'one'), told).toMatchObject({ code: 0 });
        await nothingLeft(told);
      }
      expect(kills).toBeGreaterThan(0);
    },
  );
});
