import { join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { cgroupFolders, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { live } from '../../fixtures/live.js';
import { requires } from '../../fixtures/requires.js';
import { rounds } from '../../fixtures/rounds.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

// The first wait for a group that stands still makes libuv's inotify descriptor, which stays.
beforeAll(async () => {
  await using container = await live();
  await container.pause();
});

describe('a container that stands still', () => {
  it('stands still with what was started in it', async () => {
    await using container = await live();
    const ticking = container.exec(['sh', '-c', 'while :; do echo tick; sleep 0.01; done'], { buffer: false });
    const ticks = ticking[Symbol.asyncIterator]();
    await ticks.next();
    await container.pause();
    const own = cgroupFolders().filter((path) => path.includes(container.id) && path.includes('exec-'));
    const states = own.map((path) => readText(join(path, 'cgroup.events')) ?? readText(join(path, 'freezer.state')));
    expect(states.filter((state) => /^frozen 1$|^FROZEN$/m.test(state ?? ''))).not.toEqual([]);
    await expect(container.exec(['true'])).rejects.toMatchObject({ code: 'ERR_STATE', message: expect.stringContaining('paused') });
    await container.resume();
    expect(await container.exec(['true'])).toMatchObject({ status: 'ok' });
    await ticking.kill();
    await ticking;
  });

  it('lets what was started be killed', async () => {
    await using container = await live();
    const execution = container.exec(['sleep', '100000']);
    await execution.pid;
    await container.pause();
    await execution.kill();
    expect(await execution).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
    await container.resume();
  });

  it('takes programs before or after, never half: pause() races exec', async () => {
    await using container = await live();
    for (let round = 0; round < rounds(20, 500); round++) {
      const executions = Array.from({ length: 4 }, () => container.exec(['true']).catch((error: Error) => error));
      if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      const pausing = container.pause();
      const late = container.exec(['true']).catch((error: Error) => error);
      await pausing;
      await container.resume();
      for (const end of await Promise.all([...executions, late])) {
        if (end instanceof Error) expect(end).toMatchObject({ code: 'ERR_STATE' });
        else expect(end).toMatchObject({ status: 'ok' });
      }
    }
  });
});
