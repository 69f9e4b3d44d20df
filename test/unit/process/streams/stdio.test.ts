import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  createReadStream,
  createWriteStream,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex, PassThrough, Readable, Writable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseExecOptions } from '../../../../lib/process/options/process-options.js';
import type { ExecOptions } from '../../../../lib/process/options/process-types.js';
import type { ChildEnd, Streams } from '../../../../lib/process/streams/child-end.js';
import { outputOf } from '../../../../lib/process/streams/collect.js';
import type { StreamHooks } from '../../../../lib/process/streams/program-streams.js';
import { Stdio } from '../../../../lib/process/streams/stdio.js';
import { makePipe } from '../../../fixtures/pipe.js';

const children: ChildProcess[] = [];
let folder: string;
let before: string[];

const descriptors = (): string[] => readdirSync('/proc/self/fd');

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nacelle-stdio-'));
  // The first child brings descriptors of Node's own, which stay.
  await once(spawn('true'), 'close');
  before = descriptors();
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
  // Closing a stream takes turns of the event loop, and no set number of them.
  await expect.poll(() => descriptors().length).toBeLessThanOrEqual(before.length);
});

const unconfined = { isConfined: false };

/** As a plan has it done: a file is opened where the program is started. */
function descriptorOf(end: ChildEnd): number | 'ignore' {
  if (end.type === 'null') return 'ignore';
  return end.type === 'file' ? openSync(end.path, 'r') : end.fd;
}

function start(command: string, args: string[], { ends }: Streams): ChildProcess {
  const stdio = ends.map(descriptorOf);
  const child = spawn(command, args, { stdio });
  for (const [number, end] of ends.entries()) if (end.type === 'file') closeSync(Number(stdio[number]));
  children.push(child);
  return child;
}

const fail: StreamHooks = {
  onOverflow: (stream) => {
    throw new Error(`${stream} overflowed`);
  },
  onError: (error) => {
    throw error;
  },
};

/** Runs a shell script to its end as the core would, and gives what was collected. */
async function run(script: string, options: ExecOptions<'buffer' | 'utf8'>, hooks: StreamHooks = fail) {
  const stdio = new Stdio(parseExecOptions(options), makePipe);
  try {
    const child = start('sh', ['-c', script], await stdio.open(unconfined));
    stdio.begin(hooks);
    await once(child, 'exit');
    const { stdout, stderr } = await stdio.settle();
    return { stdout: outputOf(stdout, 'utf8'), stderr: outputOf(stderr, 'utf8'), collected: { stdout, stderr } };
  } finally {
    stdio.close();
  }
}

describe('collected output', () => {
  it('is kept apart by stream', async () => {
    expect(await run('echo out; echo err >&2', {})).toMatchObject({ stdout: 'out\n', stderr: 'err\n' });
  });

  it('is all there when the program ends at once', async () => {
    const { stdout } = await run('head -c 3000000 /dev/zero', {});
    expect(stdout.length).toBe(3_000_000);
  });

  it('may be exactly maxBuffer, and is cut and reported past it', async () => {
    expect((await run('printf 12345', { maxBuffer: 5 })).stdout).toBe('12345');
    const over: string[] = [];
    const result = await run('printf 123456; printf 1234567 >&2', { maxBuffer: 5 }, { ...fail, onOverflow: (stream) => over.push(stream) });
    expect(result).toMatchObject({ stdout: '12345', stderr: '12345' });
    expect(over.sort()).toEqual(['stderr', 'stdout']);
  });

  it('does not wait for an outsider who holds the pipe', async () => {
    const stdio = new Stdio(parseExecOptions({}), makePipe);
    const streams = await stdio.open(unconfined);
    const outsider = start('sleep', ['1000'], streams);
    const program = start('sh', ['-c', 'echo mine'], streams);
    stdio.begin(fail);
    await once(program, 'exit');
    const { stdout } = await stdio.settle();
    expect(outputOf(stdout, 'utf8')).toBe('mine\n');
    expect(outsider.exitCode ?? outsider.signalCode).toBeNull();
    stdio.close();
  });

  it('is read to the last byte, though nothing was read before the end', async () => {
    const stdio = new Stdio(parseExecOptions({}), makePipe);
    const streams = await stdio.open(unconfined);
    start('sleep', ['1000'], streams);
    // Node is blocked while the program runs, and somebody holds the pipe: its content is all there is to go by.
    spawnSync('head', ['-c', '60000', '/dev/zero'], { stdio: streams.ends.map(descriptorOf) });
    stdio.begin(fail);
    const { stdout } = await stdio.settle();
    expect(stdout?.bytes().length).toBe(60_000);
    stdio.close();
  });

  it('ends though an outsider writes without end', async () => {
    const stdio = new Stdio(parseExecOptions({}), makePipe);
    start('sh', ['-c', 'exec cat /dev/zero'], await stdio.open(unconfined));
    stdio.begin({ ...fail, onOverflow: () => {} });
    await stdio.settle();
    stdio.close();
  });
});

describe('input', () => {
  it.each([
    ['a string', 'é\n'.repeat(3)],
    ['bytes', Buffer.from('bytes')],
    ['nothing', ''],
    ['more than a pipe holds', 'x'.repeat(3_000_000)],
  ])('is written and ended: %s', async (_, input) => {
    expect((await run('cat', { input })).stdout).toBe(input.toString());
  });

  it('comes from a stream', async () => {
    expect((await run('cat', { input: Readable.from(['a', Buffer.from('b')]) })).stdout).toBe('ab');
  });

  it('is no error when the program does not want it', async () => {
    expect((await run('exec 0<&-; echo done', { input: 'x'.repeat(1_000_000) })).stdout).toBe('done\n');
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(65_536);
      })(),
    );
    expect((await run('head -c 3', { input: endless })).stdout.length).toBe(3);
    expect(endless.destroyed).toBe(true);
  });

  it('that fails is told', async () => {
    const errors: Error[] = [];
    const input = new Readable({ read: () => input.destroy(new Error('no more')) });
    await run('cat', { input }, { ...fail, onError: (error) => errors.push(error) });
    expect(errors.map((error) => error.message)).toEqual(['no more']);
  });
});

describe('streams of the caller', () => {
  it('are real in both directions: half-close, then the rest', async () => {
    const stdio = new Stdio(parseExecOptions({ stdin: 'pipe' }), makePipe);
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
    const stdio = new Stdio(parseExecOptions({ stdin: 'pipe', buffer: isKept }), makePipe);
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
    const stdio = new Stdio(parseExecOptions({ stdin: 'pipe' }), makePipe);
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
    const stdio = new Stdio(parseExecOptions({}), makePipe);
    const child = start('echo', ['all'], await stdio.open(unconfined));
    stdio.begin(fail);
    await once(child, 'exit');
    await stdio.settle();
    stdio.close();
    const copies = [stdio.stdout, ...stdio.copies('stdout'), ...stdio.copies('stdout')];
    expect(await Promise.all(copies.map((copy) => text(copy ?? Readable.from([]))))).toEqual(['all\n', 'all\n', 'all\n']);
  });

  it('hold nobody up when their reader has left', async () => {
    const stdio = new Stdio(parseExecOptions({}), makePipe);
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
    const stdio = new Stdio(parseExecOptions({ encoding: 'buffer' }), makePipe);
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
    const stdio = new Stdio(parseExecOptions({}), makePipe);
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
    const stdio = new Stdio(parseExecOptions({ buffer: false }), makePipe);
    const child = start('sh', ['-c', 'echo out; head -c 3000000 /dev/zero >&2'], await stdio.open(unconfined));
    stdio.begin(fail);
    expect(await text(stdio.stdout ?? Readable.from([]))).toBe('out\n');
    await once(child, 'exit');
    const { stdout, stderr } = await stdio.settle();
    expect([outputOf(stdout, 'utf8'), outputOf(stderr, 'utf8')]).toEqual(['', '']);
    stdio.close();
  });

  it('tell before the program runs that what writes to it has failed', async () => {
    const stdio = new Stdio(parseExecOptions({ stdin: 'pipe' }), makePipe);
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
    const stdio = new Stdio(parseExecOptions({}), makePipe);
    const reading = text(stdio.stdout ?? Readable.from([]));
    stdio.close();
    await expect(reading).rejects.toThrow('Premature close');
    await expect(Promise.all(stdio.copies('all').map((copy) => text(copy)))).rejects.toThrow('Premature close');
  });
});

describe('other places', () => {
  it('a file for both outputs, beside pipes: nothing is written over', async () => {
    const script = 'echo one; echo two >&2; echo three; echo four >&2';
    const lists: ExecOptions[] = [
      { stdout: ['pipe', { file: join(folder, 'both') }], stderr: ['pipe', { file: join(folder, 'both') }] },
      { stdout: { file: join(folder, 'both') }, stderr: ['pipe', { file: join(folder, 'both') }] },
    ];
    for (const options of lists) {
      writeFileSync(join(folder, 'both'), 'before, and longer than all that is written\n'.repeat(3));
      await run(script, options);
      expect(readFileSync(join(folder, 'both'), 'utf8').split('\n').sort()).toEqual(['', 'four', 'one', 'three', 'two']);
    }
  });

  it('a sink that its owner ends while it is full lets the program go on', async () => {
    const held: (() => void)[] = [];
    const sink: Duplex = new Duplex({
      highWaterMark: 10,
      read: () => undefined,
      write: (_chunk, _encoding, done) => void (sink.writableEnded ? done() : held.push(done)),
    });
    const stdio = new Stdio(parseExecOptions({ stdout: ['pipe', sink] }), makePipe);
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
    const file = (name: string): string => join(folder, name);
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
    writeFileSync(join(folder, 'in'), '0123456789');
    const sink = createWriteStream(join(folder, 'out'));
    const source = createReadStream(join(folder, 'in'));
    const stdio = new Stdio(parseExecOptions({ stdin: source, stdout: sink }), makePipe);
    const { ends } = await stdio.open(unconfined);
    expect(ends.map(({ type }) => type)).toEqual(['given', 'given', 'pipe']);
    expect(ends[1]).toEqual({ type: 'given', fd: Reflect.get(sink, 'fd') });
    stdio.close();
    expect([source.destroyed, sink.destroyed]).toEqual([false, false]);
    source.destroy();
    sink.destroy();

    // A stream with a position of its own can't be handed over: its descriptor doesn't know of it.
    const part = createReadStream(join(folder, 'in'), { start: 3, end: 5 });
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
    const { stdout } = await run(`head -c ${size} /dev/zero`, { stdout: ['pipe', sink, { file: join(folder, 'copy') }, 'ignore'] });
    expect(stdout.length).toBe(size);
    expect(readFileSync(join(folder, 'copy')).length).toBe(size);
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
  async function typesWith(options: ExecOptions): Promise<(string | number)[]> {
    const stdio = new Stdio(parseExecOptions(options), makePipe);
    try {
      return typesOf(await stdio.open(confined));
    } finally {
      stdio.close();
    }
  }

  it('gets a pipe where it would hold a file of the caller, and both outputs to one file are one pipe', async () => {
    const path = join(folder, 'file');
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
    const fifo = join(folder, 'fifo');
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

describe('failures leave nothing open', () => {
  it.each([
    ['a file that is missing', { stdin: { file: '/nonexistent/x' } }, 'ENOENT', 'open /nonexistent/x as stdin'],
    ['a folder to write to', { stdout: ['pipe' as const, { file: '/' }] }, 'EISDIR', 'open / as stdout'],
    ['a descriptor that is closed', { stderr: 9999 }, 'ERR_INVALID_OPTION', 'stderr: file descriptor 9999 is not open'],
  ])('%s', async (_, options, code, words) => {
    const stdio = new Stdio(parseExecOptions(options), makePipe);
    await expect(stdio.open(unconfined)).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
    stdio.close();
  });

  it('a stream that can not open', async () => {
    const stdio = new Stdio(parseExecOptions({ stdin: createReadStream('/nonexistent/y') }), makePipe);
    await expect(stdio.open(unconfined)).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: 'option stdin: its file could not be opened',
    });
  });

  it('pipes that run out', () => {
    let left = 2;
    const pipe = (): [number, number] => {
      if (left-- === 0) throw new Error('EMFILE');
      return makePipe();
    };
    expect(() => new Stdio(parseExecOptions({ stdin: 'pipe' }), pipe)).toThrow('EMFILE');
  });

  it('a program that was never started', async () => {
    const stdio = new Stdio(parseExecOptions({ stdin: 'pipe', stdout: ['pipe', { file: join(folder, 'x') }] }), makePipe);
    await stdio.open(unconfined);
    stdio.close();
    stdio.close();
  });
});
