import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { storeRoot } from '../../../lib/host/store-path.js';
import { Container, type ContainerOptions, type Encoding } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { all, textOf } from '../../fixtures/log-records.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

/** So long that the log, which reads 64 KiB at most at once, needs many records for a few thousand lines. */
const PADDING = 'x'.repeat(100);

/** Of each record in a segment: its time, what was lost, its size and stream. */
const HEADER = 24;

async function created(script: string, options: ContainerOptions<Encoding> = {}): Promise<Container> {
  return Container.create({ ...(await busybox()), detach: true, command: ['sh', '-c', script], ...options });
}

async function ended(script: string, options: ContainerOptions<Encoding> = {}): Promise<Container> {
  const container = await created(script, options);
  await container.start();
  await container.wait();
  return container;
}

async function bytesOf(container: Container, stream: 'stdout' | 'stderr'): Promise<Buffer> {
  return Buffer.concat((await all(container.logs({ stream }))).map(({ data }) => Buffer.from(data)));
}

function segments({ id }: Container): { name: string; size: number }[] {
  const folder = join(storeRoot(), 'logs', id);
  return readdirSync(folder).map((name) => ({ name, size: statSync(join(folder, name)).size }));
}

describe('what a log keeps', () => {
  it('is nothing before the start', async () => {
    const container = await created('echo x');
    expect(await all(container.logs())).toEqual([]);
    expect(await all(container.logs({ tail: 5 }))).toEqual([]);
  });

  it('are all bytes of both streams, NUL and what is no text included', async () => {
    const script = 'i=0; while [ $i -lt 256 ]; do o=$(printf %o $i); printf "\\\\$o"; printf "\\\\$o" >&2; i=$((i+1)); done';
    const container = await ended(script, { encoding: 'buffer' });
    const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    expect(await bytesOf(container, 'stdout')).toEqual(every);
    expect(await bytesOf(container, 'stderr')).toEqual(every);
  });

  it('is what the result has as text, also of bytes that are none', async () => {
    for (const bytes of ['\\303', 'a\\377b', '\\360\\237\\230', 'x\\000\\r\\n\\303\\244\\342']) {
      const container = await ended(`printf '${bytes}'; printf '${bytes}' >&2`);
      const { stdout, stderr } = await container.wait();
      for (const follow of [false, true]) {
        expect(textOf(await all(container.logs({ stream: 'stdout', follow })))).toBe(stdout);
        expect(textOf(await all(container.logs({ stream: 'stderr', follow })))).toBe(stderr);
      }
    }
  });

  it('are lines longer than anything that is read or written at once', async () => {
    const container = await ended('head -c 1000000 /dev/zero | tr "\\0" x; echo; echo end');
    const line = 'x'.repeat(1_000_000);
    expect(textOf(await all(container.logs()))).toBe(`${line}\nend\n`);
    expect(textOf(await all(container.logs({ tail: 2 })))).toBe(`${line}\nend\n`);
    expect(textOf(await all(container.logs({ tail: 1 })))).toBe('end\n');
  });

  it('is in the order of writing, also of two streams in turn', async () => {
    const container = await created('while read line; do echo out $line; echo err $line >&2; done', { stdin: 'pipe' });
    await container.start();
    for (let i = 0; i < 20; i++) {
      container.stdin?.write(`${i}\n`);
      await until(
        'both were logged',
        async () => (await all(container.logs({ tail: 2 }))).filter(({ data }) => `${data}`.includes(` ${i}\n`)).length === 2,
      );
    }
    container.stdin?.end();
    await container.wait();
    for (const name of ['out', 'err']) {
      const lines = textOf(await all(container.logs()))
        .split('\n')
        .filter((line) => line.startsWith(name));
      expect(lines).toEqual(Array.from({ length: 20 }, (_, i) => `${name} ${i}`));
    }
  });
});

describe('the last lines', () => {
  it.each([
    [1, 'three\r\n'],
    [2, 'two\r\nthree\r\n'],
    [3, 'one\r\ntwo\r\nthree\r\n'],
    [9, 'one\r\ntwo\r\nthree\r\n'],
  ])('%s are whole when a line came in pieces', async (tail, text) => {
    const container = await created('while read piece; do printf "$piece"; done', { stdin: 'pipe' });
    await container.start();
    let seen = '';
    for (const piece of ['one\\r\\n', 'two', '\\r\\n', 'thr', 'ee\\r', '\\n']) {
      container.stdin?.write(`${piece.replaceAll('\\', '\\\\')}\n`);
      seen += piece.replaceAll('\\r', '\r').replaceAll('\\n', '\n');
      await until('the piece is a record of its own', async () => textOf(await all(container.logs())) === seen);
    }
    container.stdin?.end();
    await container.wait();
    expect(textOf(await all(container.logs({ tail })))).toBe(text);
  });

  it('are found across segments', async () => {
    const container = await ended(`i=0; while [ $i -lt 3000 ]; do echo $i-${PADDING}; i=$((i+1)); done`, {
      logging: { maxSize: '4k', maxFiles: 1000 },
    });
    expect(segments(container).length).toBeGreaterThan(3);
    const lines = Array.from({ length: 3000 }, (_, i) => `${i}-${PADDING}\n`);
    for (const tail of [1, 700, 2999, 3000, 4000]) {
      expect(textOf(await all(container.logs({ tail })))).toBe(lines.slice(-tail).join(''));
    }
  });

  it('are those of one stream where that is asked for', async () => {
    const container = await ended('echo a; echo b; echo c >&2; echo d >&2');
    expect(textOf(await all(container.logs({ tail: 1, stream: 'stdout' })))).toBe('b\n');
    expect(textOf(await all(container.logs({ tail: 1, stream: 'stderr' })))).toBe('d\n');
  });
});

describe('segments', () => {
  it('are filled to their very size, and no byte further', async () => {
    const record = 2000;
    const container = await created(`while read x; do head -c ${record} /dev/zero; done`, {
      stdin: 'pipe',
      logging: { maxSize: 3 * (record + HEADER), maxFiles: 3 },
    });
    await container.start();
    for (let written = 1; written <= 10; written++) {
      container.stdin?.write('\n');
      // of ten records the last four are kept: three segments, of which the newest has one
      const kept = written <= 9 ? written : written - 3;
      await until(`${kept} records are kept`, async () => (await bytesOf(container, 'stdout')).length === kept * record);
    }
    container.stdin?.end();
    await container.wait();
    const whole = 3 * (record + HEADER);
    expect(segments(container)).toEqual([
      { name: '00000002', size: whole },
      { name: '00000003', size: whole },
      { name: '00000004', size: record + HEADER },
    ]);
  });

  it('that come while they are read lose nothing to whoever follows, from the beginning or from the last lines', async () => {
    const count = 5000;
    const container = await created(`read x; i=0; while [ $i -lt ${count} ]; do echo $i-${PADDING}; i=$((i+1)); done`, {
      stdin: 'pipe',
      logging: { maxSize: '4k', maxFiles: 1000 },
    });
    await container.start();
    const readers = [
      container.logs({ follow: true }),
      container.logs({ follow: true, tail: 0 }),
      container.logs({ follow: true, tail: 10 }),
    ];
    const texts = readers.map(async (records) => textOf(await all(records)));
    container.stdin?.end('go\n');
    const whole = Array.from({ length: count }, (_, i) => `${i}-${PADDING}\n`).join('');
    for (const text of await Promise.all(texts)) expect(whole.endsWith(text)).toBe(true);
    expect(await texts[0]).toBe(whole);
    expect(segments(container).length).toBeGreaterThan(5);
  });

  it('that go while they are read: the reader goes on with what is kept', async () => {
    const container = await created('while read x; do yes | head -c 20000; done; echo end', {
      stdin: 'pipe',
      logging: { maxSize: '4k', maxFiles: 2 },
    });
    await container.start();
    container.stdin?.write('\n');
    await until('there is a log', async () => (await bytesOf(container, 'stdout')).length > 0);
    const records = container.logs({ follow: true })[Symbol.asyncIterator]();
    await records.next();
    const before = segments(container).map(({ name }) => name);
    for (let round = 0; round < 5; round++) container.stdin?.write('\n');
    await until('its segment is gone', () => segments(container).every(({ name }) => !before.includes(name)));
    container.stdin?.end();
    let text = '';
    for (let next = await records.next(); !next.done; next = await records.next()) text += next.value.data;
    expect(text).toMatch(/end\n$/);
  });
});

describe('since a time', () => {
  it('has the records of that very millisecond and later, also of who follows', async () => {
    const container = await created('while read line; do echo "$line"; done', { stdin: 'pipe' });
    await container.start();
    for (const word of ['one', 'two', 'three']) {
      const before = Date.now();
      await until('the clock goes on', () => Date.now() > before + 1);
      container.stdin?.write(`${word}\n`);
      await until('the word is there', async () => textOf(await all(container.logs())).endsWith(`${word}\n`));
    }
    const [, two] = await all(container.logs());
    if (!two) throw new Error('three records were written');
    const following = all(container.logs({ since: two.at, follow: true }));
    expect(textOf(await all(container.logs({ since: two.at })))).toBe('two\nthree\n');
    expect(textOf(await all(container.logs({ since: new Date(two.at.getTime() + 1) })))).toBe('three\n');
    expect(textOf(await all(container.logs({ since: two.at, tail: 1 })))).toBe('three\n');
    container.stdin?.end('four\n');
    expect(textOf(await following)).toBe('two\nthree\nfour\n');
  });

  it('in the future has nothing, and who follows what has ended comes to the end', async () => {
    const container = await ended('echo a; echo b; echo c');
    const since = new Date(Date.now() + 60_000);
    expect(await all(container.logs({ since, follow: true }))).toEqual([]);
    expect(textOf(await all(container.logs({ follow: true })))).toBe('a\nb\nc\n');
    expect(textOf(await all(container.logs({ follow: true, tail: 1 })))).toBe('c\n');
  });
});
