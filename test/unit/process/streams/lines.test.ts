import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linesOf } from '../../../../lib/process/streams/lines.js';

async function all(lines: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const line of lines) found.push(line);
  return found;
}

/** Bytes in pieces of that size. */
function pieces(bytes: Buffer, size: number): Readable {
  return Readable.from(Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size)));
}

describe('lines', () => {
  it.each([
    ['', []],
    ['\n', ['']],
    ['one', ['one']],
    ['one\ntwo\n', ['one', 'two']],
    ['one\r\n\r\ntwo\r', ['one', '', 'two']],
    ['a\rb\n', ['a\rb']],
  ])('of %j', async (text, lines) => {
    expect(await all(linesOf([Readable.from([Buffer.from(text)])]))).toEqual(lines);
  });

  it('are the same however they come', async () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => !/[\r\n]/.test(text));
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom('\n', '\r\n'),
        async (lines, size, end) => {
          const bytes = Buffer.from(lines.map((text) => text + end).join(''));
          expect(await all(linesOf([pieces(bytes, size)]))).toEqual(lines);
        },
      ),
    );
  });

  it('of several streams come as they are written, each to its end', async () => {
    const [out, err] = [new PassThrough(), new PassThrough()];
    const lines = linesOf([out, err])[Symbol.asyncIterator]();
    const written = [
      [out, 'one'],
      [err, 'two'],
      [err, 'three'],
      [out, 'four'],
    ] as const;
    for (const [stream, line] of written) {
      stream.write(`${line}\n`);
      expect(await lines.next()).toEqual({ done: false, value: line });
    }
    out.end();
    err.end('five');
    expect(await lines.next()).toEqual({ done: false, value: 'five' });
    expect(await lines.next()).toMatchObject({ done: true });
  });

  it('of several streams are many, and the reader is slow', async () => {
    const count = 5000;
    const numbers = (name: string) => Readable.from(Array.from({ length: count }, (_, index) => Buffer.from(`${name} ${index}\n`)));
    const found = await all(linesOf([numbers('a'), numbers('b')]));
    for (const name of ['a', 'b']) {
      expect(found.filter((line) => line.startsWith(name))).toEqual(Array.from({ length: count }, (_, index) => `${name} ${index}`));
    }
  });

  it.each([1, 2])('leave %i streams destroyed when the loop is left', async (count) => {
    const streams = Array.from({ length: count }, () => new PassThrough());
    for (const stream of streams) stream.write('line\nnext\n');
    for await (const line of linesOf(streams)) {
      expect(line).toBe('line');
      break;
    }
    expect(streams.map(({ destroyed }) => destroyed)).toEqual(streams.map(() => true));
  });

  it.each([1, 2])('tell how one of %i streams failed', async (count) => {
    const streams = Array.from({ length: count }, () => new PassThrough());
    streams.at(-1)?.destroy(new Error('broken'));
    await expect(all(linesOf(streams))).rejects.toThrow('broken');
  });

  it('that never end are refused, before they fill the memory', async () => {
    const part = Buffer.alloc(1 << 20, 'x');
    const endless = Readable.from(
      (function* () {
        for (;;) yield part;
      })(),
    );
    await expect(all(linesOf([endless]))).rejects.toMatchObject({ code: 'ERR_LINE_TOO_LONG' });
    expect(endless.destroyed).toBe(true);
  });
});
