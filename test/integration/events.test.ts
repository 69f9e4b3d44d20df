import { beforeAll, expect } from 'vitest';
import { Cgroup } from '../../lib/index.js';
import { compile } from '../fixtures/compile.js';
import { type Given, type Scene, scenes } from '../fixtures/eventful.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode, startNode } from '../fixtures/node.js';
import { missing, requires } from '../fixtures/requires.js';
import { V1_TOOLS, withoutUnified } from '../fixtures/v1.js';

useLeakCheck();
const NAME = `nacelle-test-${process.pid}-events`;
const needs = { tools: ['gcc', ...V1_TOOLS], cgroup: 'memory' };
const ends = missing({ tools: ['gcc'] }).length === 0 ? compile('ends') : '';
const given = (scene: Scene): Given => ({ name: `${NAME}-${scene}`, ends });
const END = { done: true };

const machines = [
  { machine: 'here', needs: { ...needs, groups: true }, play: (scene: Scene) => scenes[scene](given(scene)) },
  {
    machine: 'on v1 alone',
    needs: { ...needs, root: true, cgroup: 'v1' },
    play: (scene: Scene) => runNode('eventful', [scene, JSON.stringify(given(scene))], { through: withoutUnified() }),
  },
];

// The first group starts the shim, the first watch makes libuv's inotify descriptor: both then stay.
beforeAll(async () => {
  if (missing({ groups: true }).length > 0) return;
  await using first = await Cgroup.create(`${NAME}-first`);
  await first.kill();
});

for (const { machine, needs, play } of machines) {
  const { describe, it } = requires(needs);
  describe(`events ${machine}`, () => {
    it('end with the group, and leave no descriptor', async () => {
      expect(await play('life')).toEqual({ rest: [], held: expect.any(Boolean), left: 0, again: END });
    });

    it('tell that memory ran out, and that a process was killed for it', async () => {
      expect(await play('memory')).toEqual([
        ['oom', true],
        ['oom-kill', true],
        ['memory-max', true],
      ]);
    });

    it('tell of a limit that was set later', async () => {
      expect(await play('changed')).toBe('memory-max');
    });

    it('are of what comes from the call on; the status knows what came before', async () => {
      expect(await play('early')).toEqual({ status: 'memory-limit', error: 'enough', after: END, aborted: 'enough', gone: END });
    });
  });
}

const { it } = requires({ ...needs, groups: true });

it('refused forks are told', async () => {
  expect(await scenes.forks(given('forks'))).toEqual({
    reason: 'exited with 11; its limit of 3 processes refused a fork',
    last: { type: 'pids-max', count: 1 },
  });
});

it('who waits for events alone is not kept alive', async () => {
  const { code, stdout } = await startNode('watch-events', [NAME]).ended;
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'waiting\n' });
});

it('wrong options are refused', async () => {
  await using group = await Cgroup.create(NAME);
  for (const options of [{ cancelSignal: 1 }, { cancelSginal: undefined }]) {
    // @ts-expect-error: what a program without types can pass
    expect(() => group.events(options)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
  }
});
