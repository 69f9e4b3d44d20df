import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, createReadStream, createWriteStream, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Duplex, PassThrough, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { parseProgramOptions } from '../../../../lib/process/options/process-options.js';
import type { ProgramOptions } from '../../../../lib/process/options/process-types.js';
import type { Streams } from '../../../../lib/process/streams/child-end.js';
import { Stdio } from '../../../../lib/process/streams/stdio.js';
import { makePipe } from '../../../fixtures/pipe.js';
import { children, fail, run, start, unconfined, useStdio } from '../../../fixtures/stdio.js';

const used = useStdio();

describe('other places', () => {
  it('a file for both outputs, beside pipes: nothing is written over', async () => {
    const script = 'echo one; echo two >&2; echo three; echo four >&2';
    const lists: ProgramOptions[] = [
      { stdout: ['pipe', { file: join(used.folder, 'both') }], stderr: ['pipe', { file: join(used.folder, 'both') }] },
      { stdout: { file: join(used.folder, 'both') }, stderr: ['pipe', { file: join(used.folder, 'both') }] },
    ];
    for (const options of lists) {
      writeFileSync(join(used.folder, 'both'), 'before, and longer than all that is written\n'.repeat(3));
      await run(script, options);
      expect(readFileSync(join(used.folder, 'both'), 'utf8').split('\n').sort()).toEqual(['', 'four', 'one', 'three', 'two']);
    }
  });

  it('a sink that its owner ends while it is full lets the program go on', async () => {
    const held: (() => void)[] = [];
    const sink: Duplex = new Duplex({
      highWaterMark: 10,
      read: () => undefined,
      write: (_chunk, _encoding, done) => void (sink.writableEnded ? done() : held.push(done)),
    });
    const stdio = new Stdio(parseProgramOptions({ stdout: ['pipe', sink] }), makePipe);
    const child = start('head', ['-c', '3000000', '/dev/zero'], await stdio.open(unconfined));
    stdio.begin(fail);
    await expect.poll(() => sink.writableNeedDrain).toBe(true);
    sink.end();
    for (const done of held) done();
    await once(child, 'exit');
    expect((await stdio.settle()).stdout?.bytes().length).toBe(3_000_000);
    stdio.close();
  });

  it('ignore: nothing in, nothing out', async () => {
    expect(await run('cat; echo gone; echo gone >&2', { stdout: 'ignore', stderr: 'ignore' })).toMatchObject({ stdout: '', stderr: '' });
  });

  it('files: read, written, appended, and one for both outputs', async () => {
    const file = (name: string): string => join(used.folder, name);
    writeFileSync(file('in'), 'from a file');
    writeFileSync(file('log'), 'old ');
    await run('cat; printf new >&2', {
      stdin: { file: file('in') },
      stdout: { file: file('out') },
      stderr: { file: file('log'), append: true },
    });
    expect(readFileSync(file('out'), 'utf8')).toBe('from a file');
    expect(readFileSync(file('log'), 'utf8')).toBe('old new');
    await run('echo one; echo two >&2; echo three', { stdout: { file: file('both') }, stderr: { file: file('both') } });
    expect(readFileSync(file('both'), 'utf8')).toBe('one\ntwo\nthree\n');
  });

  it('streams of files are handed over, others are pumped', async () => {
    writeFileSync(join(used.folder, 'in'), '0123456789');
    const sink = createWriteStream(join(used.folder, 'out'));
    const source = createReadStream(join(used.folder, 'in'));
    const stdio = new Stdio(parseProgramOptions({ stdin: source, stdout: sink }), makePipe);
    const { ends } = await stdio.open(unconfined);
    expect(ends.map(({ type }) => type)).toEqual(['given', 'given', 'pipe']);
    expect(ends[1]).toEqual({ type: 'given', fd: Reflect.get(sink, 'fd') });
    stdio.close();
    expect([source.destroyed, sink.destroyed]).toEqual([false, false]);
    source.destroy();
    sink.destroy();

    // A stream with a position of its own can't be handed over: its descriptor doesn't know of it.
    const part = createReadStream(join(used.folder, 'in'), { start: 3, end: 5 });
    expect((await run('cat', { stdin: part })).stdout).toBe('345');
    const pass = new PassThrough();
    const collected = text(pass);
    await run('echo pumped', { stdout: pass });
    expect(await collected).toBe('pumped\n');
  });

  it('a list gets it all, at the pace of the slowest', async () => {
    let received = 0;
    let most = 0;
    const sink: Writable = new Writable({
      write: (chunk, _encoding, done) => {
        received += chunk.length;
        most = Math.max(most, sink.writableLength);
        // Some turns of the event loop a chunk: slower than the pipe is read.
        const wait = (turns: number): void => void setImmediate(() => (turns === 0 ? done() : wait(turns - 1)));
        wait(5);
      },
    });
    const size = 16_000_000;
    const { stdout } = await run(`head -c ${size} /dev/zero`, { stdout: ['pipe', sink, { file: join(used.folder, 'copy') }, 'ignore'] });
    expect(stdout.length).toBe(size);
    expect(readFileSync(join(used.folder, 'copy')).length).toBe(size);
    await expect.poll(() => received).toBe(size);
    expect(most).toBeLessThan(2_000_000);
  });

  it('one stream of the caller for both outputs', async () => {
    const both = new PassThrough();
    const collected = text(both);
    await run('echo out; echo err >&2', { stdout: both, stderr: both });
    expect((await collected).split('\n').sort()).toEqual(['', 'err', 'out']);
  });

  it('a descriptor', async () => {
    const [readEnd, writeEnd] = makePipe();
    writeSync(writeEnd, 'by number');
    const source = createReadStream('', { fd: readEnd });
    await run('echo " and more"', { stdout: writeEnd });
    createWriteStream('', { fd: writeEnd }).destroy();
    expect(await text(source)).toBe('by number and more\n');
  });
});

describe('a program that is confined', () => {
  const confined = { isConfined: true };
  const typesOf = ({ ends, copies }: Streams) => [...ends.map(({ type }) => type), copies.length];

  /** With Node's own stream or none: what is made of it. */
  async function typesWith(options: ProgramOptions): Promise<(string | number)[]> {
    const stdio = new Stdio(parseProgramOptions(options), makePipe);
    try {
      return typesOf(await stdio.open(confined));
    } finally {
      stdio.close();
    }
  }

  it('gets a pipe where it would hold a file of the caller, and both outputs to one file are one pipe', async () => {
    const path = join(used.folder, 'file');
    writeFileSync(path, '');
    const [reading, writing] = [openSync(path, 'r'), openSync(path, 'a')];
    try {
      expect(await typesWith({ stdin: reading, stdout: writing, stderr: { file: path } })).toEqual(['pipe', 'pipe', 'pipe', 2]);
      expect(await typesWith({ stdin: { file: path }, stdout: { file: path, append: true } })).toEqual(['file', 'pipe', 'pipe', 1]);
    } finally {
      closeSync(reading);
      closeSync(writing);
    }
  });

  it("gets its own null device for Node's, and pipes, sockets and terminals as they are", async () => {
    const [readEnd, writeEnd] = makePipe();
    const nothing = openSync('/dev/null', 'r+');
    try {
      expect(await typesWith({ stdin: nothing, stdout: writeEnd, stderr: nothing })).toEqual(['null', 'given', 'null', 0]);
      expect(await typesWith({ stdin: { file: '/dev/null' }, stdout: { file: '/dev/null' } })).toEqual(['null', 'null', 'pipe', 0]);
    } finally {
      for (const fd of [readEnd, writeEnd, nothing]) closeSync(fd);
    }
  });

  it.each([
    ['a folder', '/tmp', 'r'],
    ['a device', '/dev/zero', 'r'],
  ])('gets no %s', async (words, path, flags) => {
    const fd = openSync(path, flags);
    try {
      await expect(typesWith({ stdin: fd })).rejects.toMatchObject({
        code: 'ERR_INVALID_OPTION',
        message: `option stdin: file descriptor ${fd} is ${words}: a file, pipe, socket or terminal is wanted`,
      });
    } finally {
      closeSync(fd);
    }
  });

  it('waits for no FIFO', async () => {
    const fifo = join(used.folder, 'fifo');
    spawnSync('mkfifo', [fifo]);
    await expect(typesWith({ stdin: { file: fifo } })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(typesWith({ stdout: { file: fifo } })).rejects.toMatchObject({ code: 'ENXIO' });
    const reader = spawn('cat', [fifo]);
    children.push(reader);
    const writer = openSync(fifo, 'w');
    await expect(typesWith({ stdout: { file: fifo } })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    closeSync(writer);
    await once(reader, 'close');
  });
});
