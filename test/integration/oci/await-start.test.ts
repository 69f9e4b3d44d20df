import { expect } from 'vitest';
import { hearPipe } from '../../../lib/native/heard-pipe.js';
import { binding, closeDescriptor, streamedPipe } from '../../../lib/native/load-addon.js';
import { start } from '../../../lib/native/shim.js';
import { planOf, Slots } from '../../../lib/plan/plan.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['sh'] });

/** Has a program wait for its start, and does something with the pipe that it waits at. @returns what it printed, and told */
async function waited(then: (go: ReturnType<typeof streamedPipe>['stream']) => void): Promise<readonly string[]> {
  const [go, [readTold, told], [readOutput, output]] = [streamedPipe('write'), binding().pipe(), binding().pipe()];
  const all = [hearPipe(readOutput).text, hearPipe(readTold).text];
  const slots = new Slots();
  const [first, second, third] = [slots.give(go.other), slots.give(told), slots.give(output)];
  const plan = planOf({
    stages: [
      {
        flags: 0,
        steps: [
          { op: 'stdio', slot: third, fd: 1 },
          { op: 'await_start', go: first, told: second },
          { op: 'exec', path: '/bin/sh', argv: ['sh', '-c', 'echo ran'], env: [] },
        ],
      },
    ],
    handsOver: true,
  });
  try {
    await start(plan, slots.descriptors);
  } finally {
    for (const other of [go.other, told, output]) closeDescriptor(other);
  }
  then(go.stream);
  return Promise.all(all);
}

describe('a program that waits for its start', () => {
  it('runs when it is told to', async () => {
    expect(await waited((go) => go.end('0'))).toEqual(['ran\n', '']);
  });

  it('never runs when whoever would tell it has gone', async () => {
    expect(await waited((go) => go.destroy())).toEqual(['', '']);
  });
});
