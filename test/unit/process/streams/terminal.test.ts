import { once } from 'node:events';
import { constants } from 'node:os';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseExec } from '../../../../lib/container/options/exec-options.js';
import { outputOf } from '../../../../lib/process/streams/collect.js';
import { TerminalStreams } from '../../../../lib/process/streams/terminal-streams.js';
import { fake } from '../../../fixtures/fake-terminal.js';
import { fail } from '../../../fixtures/stdio.js';

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
    native.write = () => -constants.errno.EIO;
    terminal.connect(0);
    terminal.input.end('lost');
    await once(terminal.input, 'finish');
  });

  it('is told as failed when the terminal is closed before all was taken', async () => {
    const { terminal, native } = fake();
    terminal.connect(0);
    const written = promisify((done: (error?: Error | null) => void) => terminal.input.write('hello', done))();
    await expect.poll(() => native.written).toBe('hel');
    terminal.close();
    await expect(written).rejects.toMatchObject({ code: 'ERR_CLOSED' });
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

it('gives the result what the event loop has not told yet, when the tree has gone', async () => {
  const { terminal, native } = fake();
  const streams = new TerminalStreams(parseExec({ tty: true }).process, { columns: 80, rows: 24 }, terminal);
  expect(await streams.open()).toMatchObject({ terminal: { columns: 80, rows: 24 } });
  streams.terminal.connect(0);
  streams.begin(fail);
  native.output.push(Buffer.from('the last words'));
  expect(outputOf((await streams.settle()).stdout, 'utf8')).toBe('the last words');
  streams.close();
  expect(native.isClosed).toBe(true);
});
