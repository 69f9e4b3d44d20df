import { once } from 'node:events';
import { constants } from 'node:os';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import type { NativeTerminal } from '../../../../lib/native/binding.js';
import { Terminal } from '../../../../lib/process/streams/terminal.js';

const { EAGAIN, EIO } = constants.errno;
const END_OF_FILE = 4;

/** A terminal that takes `room` bytes at a time, and has what `typed` and `end` say. */
class FakeTerminal implements NativeTerminal {
  written = '';
  room = 3;
  readonly output: Buffer[] = [];
  isEnded = false;
  reads = false;
  writes = false;
  isClosed = false;
  tell: (mayRead: boolean, mayWrite: boolean) => void = () => undefined;

  watch(reads: boolean, writes: boolean): void {
    [this.reads, this.writes] = [reads, writes];
  }
  read(bytes: Uint8Array): number {
    const next = this.output.shift();
    if (next === undefined) return this.isEnded ? -EIO : -EAGAIN;
    bytes.set(next);
    return next.length;
  }
  write(bytes: Uint8Array): number {
    const taken = Buffer.from(bytes).subarray(0, this.room);
    if (taken.length === 0) return -EAGAIN;
    this.room -= taken.length;
    this.written += taken.toString('latin1');
    return taken.length;
  }
  resize(): number {
    return 0;
  }
  endOfFile(): number {
    return END_OF_FILE;
  }
  ref(): void {}
  unref(): void {}
  close(): void {
    this.isClosed = true;
  }
}

function fake(): { terminal: Terminal; native: FakeTerminal } {
  const native = new FakeTerminal();
  const terminal = new Terminal((_, tell) => {
    native.tell = tell;
    return native;
  });
  return { terminal, native };
}

describe('what is typed', () => {
  it('waits for the terminal, and for room in it', async () => {
    const { terminal, native } = fake();
    let written = false;
    terminal.input.write('hello', () => {
      written = true;
    });
    terminal.connect(0);
    await expect.poll(() => native.writes).toBe(true);
    expect(native.written).toBe('hel');
    expect(written).toBe(false);
    native.room = 1;
    native.tell(false, true);
    expect(native.written).toBe('hell');
    native.room = 9;
    native.tell(false, true);
    expect(native.written).toBe('hello');
    expect(native.writes).toBe(false);
    await expect.poll(() => written).toBe(true);
  });

  it.each([
    ['nothing', '', '\x04'],
    ['a whole line', 'line\n', 'line\n\x04'],
    ['a line that Enter has ended', 'line\r', 'line\r\x04'],
    ['half a line, whose own end comes first', 'half', 'half\x04\x04'],
  ])('ends with the end-of-file character: %s', async (_, text, expected) => {
    const { terminal, native } = fake();
    native.room = 99;
    terminal.connect(0);
    if (text !== '') terminal.input.write(text);
    terminal.input.end();
    await once(terminal.input, 'finish');
    expect(native.written).toBe(expected);
  });

  it('is dropped when nobody can read it', async () => {
    const { terminal, native } = fake();
    native.write = () => -EIO;
    terminal.connect(0);
    terminal.input.end('lost');
    await once(terminal.input, 'finish');
  });

  it('is given up when the terminal is closed before there was one', async () => {
    const { terminal } = fake();
    terminal.input.write('never');
    terminal.close();
    await once(terminal.input, 'close');
  });
});

describe('what is shown', () => {
  it('is not read while nobody takes it', async () => {
    const { terminal, native } = fake();
    terminal.connect(0);
    expect(native.reads).toBe(false);
    native.output.push(Buffer.from('early'));
    terminal.output.read(0);
    expect(native.reads).toBe(true);
    // more than a stream keeps by itself
    for (let i = 0; i < 40; i++) native.output.push(Buffer.alloc(4096, 'x'));
    for (let i = 0; i < 10; i++) native.tell(true, false);
    expect(native.reads).toBe(false);
    expect(native.output.length).toBeGreaterThan(0);
  });

  it('is read to the end, also what was written before it', async () => {
    const { terminal, native } = fake();
    terminal.connect(0);
    native.output.push(Buffer.from('one '), Buffer.from('two'));
    native.isEnded = true;
    const all = buffer(terminal.output);
    await expect.poll(() => native.reads).toBe(true);
    native.tell(true, false);
    expect((await all).toString()).toBe('one two');
    expect(native.reads).toBe(false);
  });

  it('ends when all is read, though somebody still has the terminal open', async () => {
    const { terminal, native } = fake();
    terminal.connect(0);
    native.output.push(Buffer.from('rest'));
    terminal.output.drain();
    terminal.output.drain();
    expect((await buffer(terminal.output)).toString()).toBe('rest');
  });

  it('fails as the kernel says', async () => {
    const { terminal, native } = fake();
    terminal.connect(0);
    native.read = () => -constants.errno.EBADF;
    const failed = once(terminal.output, 'error');
    terminal.output.resume();
    await expect.poll(() => native.reads).toBe(true);
    native.tell(true, false);
    expect(await failed).toMatchObject([{ code: 'EBADF' }]);
  });
});

it('closes once, and has no size afterwards', () => {
  const { terminal, native } = fake();
  expect(terminal.resize({ columns: 1, rows: 1 })).toBe(false);
  terminal.connect(0);
  expect(terminal.resize({ columns: 1, rows: 1 })).toBe(true);
  terminal.close();
  terminal.close();
  expect(native.isClosed).toBe(true);
  expect(terminal.resize({ columns: 1, rows: 1 })).toBe(false);
});
