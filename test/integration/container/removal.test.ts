import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { Container, reap } from '../../../lib/index.js';
import { compile } from '../../fixtures/compile.js';
import { descendants, isAlive, type ProcessInfo, pidOf, processInfo, shimOf, shimsOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, output } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { findTool } from '../../fixtures/tools.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'gcc'] });
const asRoot = requires({ root: true, tools: ['busybox', 'gcc'] });
const program = findTool('gcc') ? compile('attack') : '';
const LONG = { timeout: 300_000 };
/** So many that the removal can be found while it goes on. */
const CROWD = ['crowd', '50000'];
const store = join(temporaryFolder(), 'store');
const uppers = (): string[] => readdirSync(join(store, 'containers'));
beforeEach(() => {
  process.env.NACELLE_ROOT = store;
});
afterEach(() => {
  delete process.env.NACELLE_ROOT;
});

/** The process that removes an upper, stopped in the middle of it. */
async function stoppedRemoval(node: number, goesOn: () => boolean): Promise<ProcessInfo> {
  while (goesOn()) {
    const found = descendants(node).find(({ command, state }) => command === 'nacelle-remove' && state !== 'Z');
    if (found) {
      process.kill(found.pid, 'SIGSTOP');
      await until('it is stopped or has ended', () => processInfo(found.pid)?.state.match(/[TZ]/) ?? processInfo(found.pid) === null);
      if (processInfo(found.pid)?.state === 'T') return found;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('no process removed it');
}

describe('the removal of an upper on disk', () => {
  it('is a process of its own: others run and end meanwhile, and the promise waits for it', LONG, async () => {
    let ended = false;
    const first = Container.run({
      ...(await busybox()),
      upper: 'disk',
      cwd: '/tmp',
      copyIn: { '/attack': { source: program } },
      command: ['/attack', ...CROWD],
    }).finally(() => {
      ended = true;
    });
    const removal = await stoppedRemoval(process.pid, () => !ended);
    try {
      expect(shimsOf(process.env.NACELLE_RUNROOT)).toContain(removal.parent);
      expect(await output('echo between', { upper: 'disk' })).toBe('between');
      expect(processInfo(removal.pid)?.state).toBe('T');
      expect(ended).toBe(false);
      expect(uppers()).toHaveLength(1);
    } finally {
      process.kill(removal.pid, 'SIGCONT');
    }
    expect(await first).toMatchObject({ status: 'ok', stdout: 'crowded\n' });
    expect(isAlive(removal.pid)).toBe(false);
    expect(uppers()).toEqual([]);
  });

  asRoot.it('ends with its shim, and reap() finishes it', LONG, async () => {
    const node = startNode('crowd', [program, ...CROWD]);
    const removal = await stoppedRemoval(node.pid, () => node.process.exitCode === null);
    process.kill(node.pid, 'SIGSTOP');
    process.kill(pidOf(shimOf(node.pid)), 'SIGKILL');
    process.kill(node.pid, 'SIGKILL');
    await node.ended;
    await until('it has ended', () => !isAlive(removal.pid));
    expect(uppers()).toHaveLength(1);
    await reap();
    // another process that reaps may have been faster, and be at it
    await until('its upper is gone', () => uppers().length === 0);
  });
});
