import { expect, it } from 'vitest';
import { begunWith } from '../../../lib/container/start/launch.js';
import type { Task } from '../../../lib/native/task.js';

it('a container whose record can’t be made is told of by that failure, also where the plan fails later', async () => {
  const starting = new Promise<Task>((_, reject) => setImmediate(() => reject(new Error('killed before it started'))));
  const program = { sent: (_: unknown, task: Promise<Task>) => task };
  const begun = begunWith(program, starting, () => {
    throw new Error('no descriptor is left');
  });
  // a rejection that nobody hears would fail this run of tests
  await expect(begun).rejects.toThrow('no descriptor is left');
  await new Promise((resolve) => setImmediate(resolve));
});
