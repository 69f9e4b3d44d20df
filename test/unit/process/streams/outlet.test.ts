import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { parseProgramOptions } from '../../../../lib/process/options/process-options.js';
import { outputOf } from '../../../../lib/process/streams/collect.js';
import { Stdio } from '../../../../lib/process/streams/stdio.js';
import { makePipe } from '../../../fixtures/pipe.js';
import { fail, start, unconfined, useStdio } from '../../../fixtures/stdio.js';

useStdio();

describe('streams of the caller', () => {
  it('are real in both directions: half-close, then the rest', async () => {
    const stdio = new Stdio(parseProgramOptions({ stdin: 'pipe' }), makePipe);
    const { stdin, stdout } = stdio;
    const child = start('sort', [], await stdio.open(unconfined));
    stdio.begin(fail);
    stdin?.write('b\n');
    stdin?.end('a\n');
    expect(await text(stdout ?? Readable.from([]))).toBe('a\nb\n');
    await once(child, 'exit');
    expect(outputOf((await stdio.settle()).stdout, 'utf8')).toBe('a\nb\n');
    stdio.close();
  });

  it.each([true, false])('hold the program back when their reader pauses, and it goes on with him: buffer %s', async (isKept) => {
    const stdio = new Stdio(parseProgramOptions({ stdin: 'pipe', buffer: isKept }), makePipe);
    const { stdin, stdout } = stdio;
    start('cat', [], await stdio.open(unconfined));
    stdio.begin(fail);
    const size = 8 * 1024 ** 2;
    let written = false;
    stdin?.write(Buffer.alloc(size, 'x'), () => {
      written = true;
    });
    await once(stdout ?? Readable.from([]), 'readable');
    const begun: Buffer = stdout?.read();
    // Both pipes and both buffers are full long before 8 MiB: the write can't be done while nobody reads.
    await expect.poll(() => stdout?.readableLength).toBeGreaterThan(0);
    expect(written).toBe(false);
    stdin?.end();
    const rest = await buffer(stdout ?? Readable.from([]));
    expect(begun.length + rest.length).toBe(size);
    expect(written).toBe(true);
    expect((await stdio.settle()).stdout?.bytes().length).toBe(isKept ? size : 0);
    stdio.close();
  });

  it('begin with what came before they were read, and leave it to the result', async () => {
    const stdio = new Stdio(parseProgramOptions({ stdin: 'pipe' }), makePipe);
    const child = start('cat', [], await stdio.open(unconfined));
    stdio.begin(fail);
    stdio.stdin?.write('early ');
    await expect.poll(() => outputOf(stdio.collected.stdout, 'utf8')).toBe('early ');
    const { stdout } = stdio;
    stdio.stdin?.end('late');
    expect(await text(stdout ?? Readable.from([]))).toBe('early late');
    await once(child, 'exit');
    expect(outputOf((await stdio.settle()).stdout, 'utf8')).toBe('early late');
    stdio.close();
    expect(await Promise.all(stdio.copies('all').map((copy) => text(copy)))).toEqual(['early late', '']);
  });

  it('are read after the end as well, each for itself', async () => {
    const stdio = new Stdio(parseProgramOptions({}), makePipe);
    const child = start('echo', ['all'], await stdio.open(unconfined));
    stdio.begin(fail);
    await once(child, 'exit');
    await stdio.settle();
    stdio.close();
    const copies = [stdio.stdout, ...stdio.copies('stdout'), ...stdio.copies('stdout')];
    expect(await Promise.all(copies.map((copy) => text(copy ?? Readable.from([]))))).toEqual(['all\n', 'all\n', 'all\n']);
  });

  it('hold nobody up when their reader has left', async () => {
    const stdio = new Stdio(parseProgramOptions({}), makePipe);
    const child = start('head', ['-c', '3000000', '/dev/zero'], await stdio.open(unconfined));
    stdio.begin(fail);
    const stdout = stdio.stdout ?? Readable.from([]);
    // its buffer is full, and nobody reads on
    await once(stdout, 'readable');
    await expect.poll(() => stdout.readableLength).toBeGreaterThanOrEqual(stdout.readableHighWaterMark);
    stdout.destroy();
    await once(child, 'exit');
    expect((await stdio.settle()).stdout?.bytes().length).toBe(3_000_000);
    stdio.close();
  });

  it('have bytes of their own, which their reader may change', async () => {
    const stdio = new Stdio(parseProgramOptions({ encoding: 'buffer' }), makePipe);
    const child = start('sh', ['-c', 'head -c 200000 /dev/zero; printf end'], await stdio.open(unconfined));
    stdio.begin(fail);
    const [first, second] = [stdio.stdout ?? Readable.from([]), ...stdio.copies('stdout')];
    first.on('data', (chunk: Buffer) => chunk.fill(1));
    const seen = await buffer(second ?? Readable.from([]));
    await once(child, 'exit');
    const result = outputOf((await stdio.settle()).stdout, 'buffer');
    for (const bytes of [seen, result]) expect([bytes.length, bytes.indexOf(1)]).toEqual([200_003, -1]);
    result.fill(1);
    expect((await buffer(stdio.copies('stdout')[0] ?? Readable.from([]))).indexOf(1)).toBe(-1);
    stdio.close();
  });

  it('come in pieces, also to a reader who is late', async () => {
    const stdio = new Stdio(parseProgramOptions({}), makePipe);
    const child = start('head', ['-c', '3000000', '/dev/zero'], await stdio.open(unconfined));
    stdio.begin(fail);
    await once(child, 'exit');
    await stdio.settle();
    const sizes: number[] = [];
    for await (const chunk of stdio.stdout ?? []) sizes.push((chunk as Buffer).length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(3_000_000);
    // a pipe's chunk, and what is buffered beside it
    expect(Math.max(...sizes)).toBeLessThan(300_000);
    stdio.close();
  });

  it('with buffer: false have what comes, and nothing of it is kept', async () => {
    const stdio = new Stdio(parseProgramOptions({ buffer: false }), makePipe);
    const child = start('sh', ['-c', 'echo out; head -c 3000000 /dev/zero >&2'], await stdio.open(unconfined));
    stdio.begin(fail);
    expect(await text(stdio.stdout ?? Readable.from([]))).toBe('out\n');
    await once(child, 'exit');
    const { stdout, stderr } = await stdio.settle();
    expect([outputOf(stdout, 'utf8'), outputOf(stderr, 'utf8')]).toEqual(['', '']);
    stdio.close();
  });

  it('tell before the program runs that what writes to it has failed', async () => {
    const stdio = new Stdio(parseProgramOptions({ stdin: 'pipe' }), makePipe);
    const child = start('cat', [], await stdio.open(unconfined));
    stdio.stdin?.destroy(new Error('the source broke'));
    await expect(once(stdio.stdin ?? child, 'close')).rejects.toThrow('the source broke');
    const errors: Error[] = [];
    stdio.begin({ ...fail, onError: (error) => errors.push(error) });
    expect(errors.map(({ message }) => message)).toEqual(['the source broke']);
    await once(child, 'exit');
    await stdio.settle();
    stdio.close();
  });

  it('are closed with what never ran', async () => {
    const stdio = new Stdio(parseProgramOptions({}), makePipe);
    const reading = text(stdio.stdout ?? Readable.from([]));
    stdio.close();
    await expect(reading).rejects.toThrow('Premature close');
    await expect(Promise.all(stdio.copies('all').map((copy) => text(copy)))).rejects.toThrow('Premature close');
  });
});

describe('our ends of the pipes', () => {
  it('become streams when the program runs, which then keep to what was said of the event loop', async () => {
    const made: Socket[] = [];
    const stdio = new Stdio(parseProgramOptions({}), makePipe, closeSync, (fd, direction) => {
      const stream = new Socket({ fd, ...direction });
      made.push(stream);
      return stream;
    });
    start('sleep', ['60'], await stdio.open(unconfined));
    stdio.unref();
    expect(made).toEqual([]);
    const keepsAlive = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'PipeWrap').length;
    const before = keepsAlive();
    stdio.begin(fail);
    expect(made.length).toBe(2);
    await new Promise(setImmediate);
    expect(keepsAlive()).toBe(before);
    stdio.ref();
    expect(keepsAlive()).toBe(before + 2);
    stdio.close();
  });

  it('that can not become streams are closed once, and that is told as any other failure of a stream', async () => {
    const closed: number[] = [];
    const close = (fd: number): void => {
      closed.push(fd);
      closeSync(fd);
    };
    const refuse = (fd: number): never => {
      close(fd);
      throw new Error('no more');
    };
    const stdio = new Stdio(parseProgramOptions({ stdin: 'ignore' }), makePipe, close, refuse);
    await stdio.open(unconfined);
    const errors: Error[] = [];
    stdio.begin({ ...fail, onError: (error) => errors.push(error) });
    expect(errors.map(({ message }) => message)).toEqual(['no more', 'no more']);
    expect(outputOf((await stdio.settle()).stdout, 'utf8')).toBe('');
    stdio.close();
    expect(new Set(closed).size).toBe(closed.length);
    expect(closed.length).toBe(4);
  });
});
