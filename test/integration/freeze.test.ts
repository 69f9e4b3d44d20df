import { existsSync } from 'node:fs';
import { beforeAll, expect } from 'vitest';
import { reap } from '../../lib/host/reap.js';
import { Cgroup } from '../../lib/index.js';
import { compile } from '../fixtures/compile.js';
import { BOMBS, left, type Programs, type Scene, scenes, threaded } from '../fixtures/freezing.js';
import { isAlive, pidOf, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode, startNode } from '../fixtures/node.js';
import { missing, requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { V1_TOOLS, withoutUnified } from '../fixtures/v1.js';

useLeakCheck();
const NAME = `nacelle-test-${process.pid}`;
const needs = { root: true, tools: ['busybox', 'gcc', ...V1_TOOLS] };
const built = missing({ tools: ['gcc'] }).length === 0;
const programs: Programs = { bomb: built ? compile('bomb') : '', unfreezable: built ? compile('unfreezable') : '', name: `${NAME}-freeze` };
const folder = temporaryFolder();
const GUARD = 300_000;

const machines = [
  { machine: 'on the unified tree', needs: { ...needs }, play: (scene: Scene) => scenes[scene](programs) },
  {
    machine: 'on v1 alone',
    needs: { ...needs, cgroup: 'v1' },
    play: (scene: Scene) => runNode(`freezing`, [scene, JSON.stringify(programs)], { through: withoutUnified() }),
  },
];

// The first group starts the shim, the first wait makes libuv's inotify descriptor: both then stay.
beforeAll(async () => {
  if (process.geteuid?.() !== 0) return;
  await using first = await Cgroup.create(`${NAME}-first`);
  await first.kill();
});

for (const { machine, needs, play } of machines) {
  const { describe, it } = requires(needs);
  describe(machine, () => {
    it('a group stops, empty or not, and goes on; one below it can not alone', async () => {
      expect(await play('frozen')).toEqual({ empty: 'FROZEN', full: 'FROZEN', inherited: 'EBUSY', thawed: 'THAWED', echo: 'echo' });
    });

    it('freeze waits for the last one to stand still', async () => {
      expect(await play('waited')).toEqual({ pending: 'FREEZING', early: false, after: 'FROZEN' });
    });

    it('a frozen tree is killed, with a group in it that was frozen by itself', async () => {
      expect(await play('killed')).toEqual({ signals: ['SIGKILL', 'SIGKILL', 'SIGKILL'], state: 'THAWED', left: [] });
    });

    it('a frozen group is removed', async () => {
      expect(await play('removed')).toEqual({ signal: 'SIGKILL', state: null });
    });

    it('a container is paused, goes on, and is killed, stopped and removed while it is paused', async () => {
      expect(await play('paused')).toEqual({
        refused: 'ERR_STATE',
        twice: 'ERR_STATE',
        states: ['paused', 'FROZEN', 'running', 'THAWED'],
        status: 'signalled',
        signal: 'SIGKILL',
        reason: 'killed by SIGKILL, sent by the caller',
        stopped: 4,
        alive: false,
      });
    });

    it('fork bombs are gone', { timeout: GUARD }, async () => {
      expect(await play('bombs')).toEqual(Array.from({ length: BOMBS }, () => ({ signal: 'SIGKILL', left: [] })));
    });
  });
}

const { it } = requires(needs);

it('a group that cgroup.kill refuses is killed by hand', async () => {
  expect(await threaded(`${NAME}-threaded`)).toBe('SIGKILL');
});

requires({ ...needs, tools: [...needs.tools, 'strace'], unified: true }).it('by hand, what left it meanwhile lives on', async () => {
  expect(await left(`${NAME}-left`, pidOf(shimOf()), folder)).toBe(true);
});

it('a process that can not be stopped is told, and the others go on', { timeout: GUARD }, async () => {
  expect(await scenes.stuck(programs)).toEqual({ code: 'EBUSY', state: 'THAWED' });
});

requires({ ...needs, cgroup: 'v1' }).it('what a dead owner froze by v1 is reaped', async () => {
  const program = startNode('cgroup', [`${NAME}-frozen/inner`, 'freeze'], { through: withoutUnified() });
  const line = await program.lines.next();
  const { pid, paths }: { pid: number; paths: string[] } = JSON.parse(line.value);
  const shim = shimOf(program.pid);
  process.kill(program.pid, 'SIGSTOP');
  if (shim !== null) process.kill(shim.pid, 'SIGKILL');
  process.kill(program.pid, 'SIGKILL');
  await program.ended;
  await until('the shim is gone', () => !isAlive(pidOf(shim)));
  await reap();
  expect(paths.some((path) => existsSync(path))).toBe(false);
  await until('its program is gone', () => !isAlive(pid));
});
