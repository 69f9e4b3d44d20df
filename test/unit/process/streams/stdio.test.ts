import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { parseProgramOptions } from '../../../../lib/process/options/process-options.js';
import { outputOf } from '../../../../lib/process/streams/collect.js';
import { Stdio } from '../../../../lib/process/streams/stdio.js';
import { makePipe } from '../../../fixtures/pipe.js';
import { descriptorOf, fail, run, start, unconfined, useStdio } from '../../../fixtures/stdio.js';

const used = useStdio();

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
    const stdio = new Stdio(parseProgramOptions({}), makePipe);
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
    const stdio = new Stdio(parseProgramOptions({}), makePipe);
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
    const stdio = new Stdio(parseProgramOptions({}), makePipe);
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

describe('failures leave nothing open', () => {
  it.each([
    ['a file that is missing', { stdin: { file: '/nonexistent/x' } }, 'ENOENT', 'open /nonexistent/x as stdin'],
    ['a folder to write to', { stdout: ['pipe' as const, { file: '/' }] }, 'EISDIR', 'open / as stdout'],
    ['a descriptor that is closed', { stderr: 9999 }, 'ERR_INVALID_OPTION', 'stderr: file descriptor 9999 is not open'],
  ])('%s', async (_, options, code, words) => {
    const stdio = new Stdio(parseProgramOptions(options), makePipe);
    await expect(stdio.open(unconfined)).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
    stdio.close();
  });

  it('a stream that can not open', async () => {
    const stdio = new Stdio(parseProgramOptions({ stdin: createReadStream('/nonexistent/y') }), makePipe);
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
    expect(() => new Stdio(parseProgramOptions({ stdin: 'pipe' }), pipe)).toThrow('EMFILE');
  });

  it('a program that was never started', async () => {
    const stdio = new Stdio(parseProgramOptions({ stdin: 'pipe', stdout: ['pipe', { file: join(used.folder, 'x') }] }), makePipe);
    await stdio.open(unconfined);
    stdio.close();
    stdio.close();
  });
});
