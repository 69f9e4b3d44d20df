import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { storeRoot } from '../../../lib/host/store-path.js';
import { Container } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { isAlive, processes, processInfo } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { all, textOf } from '../../fixtures/log-records.js';
import { runNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

async function started(script: string, more: object = {}): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), detach: true, command: ['sh', '-c', script], ...more });
  await container.start();
  return container;
}

const folder = (id: string): string => join(storeRoot(), 'logs', id);

describe('logs()', () => {
  it('has what was written, by stream and time, whoever asks', async () => {
    const before = Date.now();
    const container = await started('echo one; echo two >&2; printf "three"');
    await container.wait();
    const other = await Container.attach(container.id);
    const records = await all(other.logs());
    expect(textOf(records.filter(({ stream }) => stream === 'stdout'))).toBe('one\nthree');
    expect(textOf(records.filter(({ stream }) => stream === 'stderr'))).toBe('two\n');
    for (const { at, lost } of records) {
      expect(at.getTime()).toBeGreaterThanOrEqual(before - 1);
      expect(at.getTime()).toBeLessThanOrEqual(Date.now());
      expect(lost).toBe(0);
    }
    expect(textOf(await all(other.logs({ stream: 'stderr' })))).toBe('two\n');
    expect(await all(other.logs({ since: new Date(Date.now() + 1000) }))).toEqual([]);
  });

  it.each([
    [0, ''],
    [1, 'four'],
    [2, 'three\nfour'],
    [99, 'one\ntwo\nthree\nfour'],
  ])('has the last %s lines', async (tail, text) => {
    const container = await started('printf "one\\ntwo\\n"; printf "thr"; printf "ee\\nfour"');
    await container.wait();
    expect(textOf(await all(container.logs({ tail })))).toBe(text);
  });

  it('goes on until the end, for any number of readers', async () => {
    const container = await started('echo first; while read line; do echo "$line"; done', { stdin: 'pipe' });
    await until('the first line is there', async () => textOf(await all(container.logs())) === 'first\n');
    const readers = [
      container.logs({ follow: true }),
      container.logs({ follow: true, tail: 0 }),
      (await Container.attach(container.id)).logs({ follow: true }),
    ];
    const texts = readers.map(async (records) => textOf(await all(records)));
    container.stdin?.write('second\n');
    await until('the second line is there', async () => textOf(await all(container.logs())).endsWith('second\n'));
    container.stdin?.end('third\n');
    const [one = '', two = '', three = ''] = await Promise.all(texts);
    expect(one).toBe('first\nsecond\nthird\n');
    expect(three).toBe(one);
    expect(one.endsWith(two)).toBe(true);
    expect(two.endsWith('third\n')).toBe(true);
  });

  it('loses nothing to readers, however fast the program writes and whoever stops reading', async () => {
    const container = await started('i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done', {
      logging: { maxSize: '16k', maxFiles: 100 },
    });
    const stuck = container.logs({ follow: true })[Symbol.asyncIterator]();
    await stuck.next();
    const lines = textOf(await all(container.logs({ follow: true }))).split('\n');
    expect(lines.slice(0, -1)).toEqual(Array.from({ length: 20_000 }, (_, i) => String(i)));
    await container.wait();
    await stuck.return?.(undefined);
  });

  it('keeps so many segments of such a size, and no more', async () => {
    const container = await started('yes | head -c 1000000', { logging: { maxSize: '64k', maxFiles: 2 } });
    await container.wait();
    const names = readdirSync(folder(container.id));
    expect(names).toHaveLength(2);
    for (const name of names) expect(statSync(join(folder(container.id), name)).size).toBeLessThanOrEqual(64 * 1024 + 24 + 64 * 1024);
    const text = textOf(await all(container.logs()));
    expect(text).toMatch(/^\n?(?:y\n)+$/);
    expect(text.length).toBeGreaterThan(64 * 1024);
  });

  it('is whole when the container is killed again while the rest of it is written', async () => {
    const container = await started('echo first; exec sleep 1000');
    await until('the line is there', async () => textOf(await all(container.logs())) === 'first\n');
    const { pid } = await container.inspect();
    const shim = processInfo(pid)?.parent;
    const log = processes().find(({ parent, command }) => parent === shim && command === 'nacelle-log')?.pid ?? 0;
    process.kill(log, 'SIGSTOP');
    await container.kill();
    await until('its end was seen', () => !isAlive(pid));
    await container.kill();
    process.kill(log, 'SIGCONT');
    expect(await container.wait()).toMatchObject({ status: 'signalled', stdout: 'first\n' });
  });

  it('is bytes where the container was made so', async () => {
    const container = await started("printf '\\377\\000'", { encoding: 'buffer' });
    await container.wait();
    const [record] = await all(container.logs());
    expect(Buffer.from(record?.data ?? '')).toEqual(Buffer.from([0xff, 0]));
  });

  it('does not cut characters that lie across two pieces', async () => {
    const container = await started("printf '\\303'; sleep 0.2; printf '\\244'");
    await container.wait();
    expect(textOf(await all(container.logs()))).toBe('ä');
  });

  it('is refused for output that went elsewhere, and for wrong options', async () => {
    const container = await started('true', { stdout: 'ignore', stderr: 'ignore' });
    expect(() => container.logs()).toThrow(expect.objectContaining({ code: 'ERR_STATE' }));
    expect(() => container.logs({ tail: -1 })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
    expect(await container.wait()).toMatchObject({ status: 'ok', stdout: '' });
  });

  it('goes with the container', async () => {
    const container = await started('echo x');
    await container.wait();
    await container.remove();
    expect(readdirSync(join(storeRoot(), 'logs'))).not.toContain(container.id);
  });
});

requires({ root: true, tools: ['busybox', 'unshare', 'mount'] }).it(
  'a full disk loses what does not fit, says how much, and holds nothing up',
  async () => {
    const script = 'mkdir -p /mnt/full; mount -t tmpfs -o size=1m nacelle-test /mnt/full; exec "$@"';
    const { status, lost, kept } = await runNode<{ status: string; lost: number; kept: number }>('full-log', [], {
      through: ['unshare', '-m', 'sh', '-ec', script, 'sh'],
      env: { NACELLE_ROOT: '/mnt/full/store', NACELLE_RUNROOT: '/mnt/full/run' },
    });
    expect(status).toBe('ok');
    expect(kept).toBeGreaterThan(10_000);
    expect(lost).toBeGreaterThan(10_000);
  },
);

it('the live streams of a handle begin when it is made', async () => {
  const container = await started('echo before; read x; echo after', { stdin: 'pipe' });
  await until('the first line is there', async () => textOf(await all(container.logs())) === 'before\n');
  const other = await Container.attach(container.id);
  const chunks: Buffer[] = [];
  other.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  other.stdin?.end('go\n');
  expect((await other.wait()).stdout).toBe('before\nafter\n');
  await until('the stream has it', () => Buffer.concat(chunks).toString() === 'after\n');
});
