import { expect } from 'vitest';
import { Container } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { lying } from '../../fixtures/lying-shim.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox', 'python3'] });

async function started(): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), detach: true, command: ['sleep', '1000'] });
  await container.start();
  return container;
}

const UNKNOWN = 'unknown';
const GONE = null;

describe('a socket that lies', () => {
  it.each([
    ['nothing', 'ERR_SHIM_SILENT', UNKNOWN],
    ['an end', 'ERR_SHIM_DIED', GONE],
    ['three bytes', 'ERR_SHIM_DIED', GONE],
    ['noise', 'ERR_SHIM_DIED', GONE],
    ['another size', 'ERR_SHIM_DIED', GONE],
    ['a huge size', 'ERR_SHIM_DIED', GONE],
    ['no memfd', 'ERR_SHIM_DIED', GONE],
    ['half a welcome', 'ERR_SHIM_MESSAGE', 'running'],
    ['another version', 'ERR_SHIM_VERSION', 'running'],
    ['a list of billions', 'ERR_SHIM_MESSAGE', UNKNOWN],
    ['half an attachment', 'ERR_SHIM_MESSAGE', 'running'],
    ['a stream', 'EPROTOTYPE', UNKNOWN],
    ['a file', 'ERR_NO_CONTAINER', GONE],
  ])('by %s: whoever attaches is told, and the list has the others', async (lie, code, state) => {
    const container = await started();
    const other = await started();
    const before = process.memoryUsage().rss;
    await lying(container.id, lie, async () => {
      await expect(Container.attach(container.id)).rejects.toMatchObject({
        code,
        name: expect.stringMatching(/^(Nacelle|Shim|Syscall)Error$/),
      });
      const listed = (await Container.list()).map(({ id, state: at }) => [id, at]);
      expect(listed).toEqual([...(state === null ? [] : [[container.id, state]]), [other.id, 'running']]);
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 ** 2);
    expect((await Container.attach(container.id)).state).toBe('running');
  });

  it('by half an end: whoever waits is told, and the container goes on', async () => {
    const container = await started();
    await lying(container.id, 'half an end', async () => {
      const found = await Container.attach(container.id);
      for (const call of await Promise.allSettled([found.wait(), found.kill('SIGURG')]))
        expect(call).toMatchObject({ status: 'rejected', reason: { name: 'NacelleError', code: 'ERR_SHIM_MESSAGE' } });
    });
    expect((await container.exec(['echo', 'there'])).stdout).toBe('there\n');
  });

  it.each(['an end', 'half a notice'])('by %s holds up no loop over events', async (lie) => {
    const container = await started();
    const other = await started();
    await lying(container.id, lie, async () => {
      const seen: string[] = [];
      const loop = Container.events()[Symbol.asyncIterator]();
      // a shim that is gone takes its container with it
      const wanted = lie === 'an end' ? ['die', 'kill'] : ['kill'];
      for (let next = loop.next(); !wanted.every((type) => seen.includes(type)); next = loop.next()) {
        if (seen.length === 0) await other.kill('SIGURG');
        seen.push((await next).value.type);
      }
      await loop.return?.();
    });
  });
});
