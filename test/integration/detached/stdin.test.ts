import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { Container, type ContainerOptions, type Encoding } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

async function started(options: ContainerOptions): Promise<Container<'utf8'>> {
  const container = await Container.create({ ...(await busybox()), detach: true, command: ['cat'], ...options });
  await container.start();
  return container;
}

/** Resolves when the pipe has it. */
async function write({ stdin }: Container<Encoding>, text: string): Promise<void> {
  if (!stdin) throw new Error('the container has no stdin');
  await promisify(stdin.write.bind(stdin) as (chunk: string, done: (error?: Error | null) => void) => void)(text);
}

describe('the input of a detached program', () => {
  it('is at its end where nobody asked for one', async () => {
    const container = await started({ command: ['sh', '-c', 'cat && echo over'] });
    expect(container.stdin).toBeNull();
    expect((await container.wait()).stdout).toBe('over\n');
  });

  it('breaks when the program has ended, and keeps nobody waiting', async () => {
    const container = await started({ command: ['head', '-c', '1'], stdin: 'pipe' });
    const written = write(container, 'x'.repeat(1_000_000));
    written.catch(() => undefined);
    expect((await container.wait()).stdout).toBe('x');
    await expect(written).rejects.toThrow();
  });

  it('tells a write as failed that was cut short', async () => {
    const container = await started({ command: ['sh', '-c', 'head -c 1 && exec sleep 1000'], stdin: 'pipe' });
    const written = write(container, 'x'.repeat(1_000_000));
    written.catch(() => undefined);
    // a pipe holds less than what is being written now
    if (container.stdout) await once(container.stdout, 'data');
    container.stdin?.destroy();
    await expect(written).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  it('stays open as handles come and go, and ends for all when one ends it', async () => {
    const first = await started({ stdin: 'pipe' });
    await write(first, 'one\n');
    await first[Symbol.asyncDispose]();
    const [second, third] = [await Container.attach(first.id), await Container.attach(first.id)];
    await write(third, 'two\n');
    await write(second, 'three\n');
    second.stdin?.end('four\n');
    expect((await third.wait()).stdout).toBe('one\ntwo\nthree\nfour\n');
  });

  it('ends also when a stream was destroyed while it opened', async () => {
    const container = await started({ stdin: 'pipe' });
    const other = await Container.attach(container.id);
    const open = readdirSync('/proc/self/fd').length;
    container.stdin?.write('lost\n');
    container.stdin?.destroy();
    // the other's descriptor comes after that of the first
    await write(other, 'kept\n');
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(open);
    other.stdin?.end();
    expect((await container.wait()).stdout).toBe('kept\n');
  });

  it('takes more than a pipe holds, and waits for the program', async () => {
    const container = await started({ stdin: 'pipe', command: ['sh', '-c', 'wc -c'] });
    container.stdin?.write('x'.repeat(1_000_000));
    container.stdin?.end('y');
    expect((await container.wait()).stdout.trim()).toBe('1000001');
  });
});
