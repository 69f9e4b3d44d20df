import { once } from 'node:events';
import { write as writeLater, writeSync } from 'node:fs';
import { getActiveResourcesInfo } from 'node:process';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { Container } from '../../lib/index.js';
import { binding, closeDescriptor } from '../../lib/native/load-addon.js';
import { PipeSource } from '../../lib/process/streams/pipe-source.js';
import { requires } from '../fixtures/requires.js';

const write = promisify(writeLater);

const { describe, it } = requires({});

describe('an output that is read in the event loop', () => {
  it('gives what was written, and ends when the last writer has gone', async () => {
    const { source, end } = opened();
    const chunks = collect(source);
    writeSync(end, 'one');
    await once(source, 'data');
    writeSync(end, 'two');
    const ended = once(source, 'end');
    closeDescriptor(end);
    await ended;
    expect(Buffer.concat(chunks).toString()).toBe('onetwo');
    expect([source.readableEnded, source.destroyed]).toEqual([true, true]);
  });

  it('gives bytes that no later read changes, of few and of as many as a pipe holds', async () => {
    const { source, end } = opened();
    const chunks = collect(source);
    const written = Array.from({ length: 40 }, (_, i) => Buffer.alloc(i % 2 === 0 ? 65_536 : 100, i));
    for (const piece of written) await write(end, piece);
    const ended = once(source, 'end');
    closeDescriptor(end);
    await ended;
    expect(Buffer.concat(chunks).equals(Buffer.concat(written))).toBe(true);
  });

  it('reads nothing while it is paused', async () => {
    const { source, end } = opened();
    const chunks = collect(source);
    source.pause();
    writeSync(end, 'later');
    // the loop would have read it by the time that another pipe is read
    const other = opened();
    const heard = once(other.source, 'data');
    other.source.resume();
    writeSync(other.end, 'x');
    await heard;
    expect(chunks).toEqual([]);
    const data = once(source, 'data');
    source.resume();
    expect(String((await data)[0])).toBe('later');
    for (const one of [source, other.source]) one.destroy();
    for (const fd of [end, other.end]) closeDescriptor(fd);
  });

  it('tells nothing more when it was destroyed by a listener', async () => {
    const { source, end } = opened();
    const told: string[] = [];
    source.on('data', () => source.destroy());
    source.on('end', () => told.push('end'));
    source.on('error', () => told.push('error'));
    source.resume();
    writeSync(end, 'x');
    await once(source, 'data');
    source.resume();
    closeDescriptor(end);
    const other = opened();
    const ended = once(other.source, 'end');
    other.source.resume();
    closeDescriptor(other.end);
    await ended;
    expect(told).toEqual([]);
  });
});

const containers = requires({ containers: true });

containers.describe('the outputs of a run', () => {
  containers.it('take no sockets of Node', async () => {
    const before = getActiveResourcesInfo().filter((name) => name === 'PipeWrap').length;
    const running = Container.run({ image: 'host', command: ['/bin/cat'], stdin: 'pipe' });
    await running.pid;
    // the one that there is writes to the program
    expect(getActiveResourcesInfo().filter((name) => name === 'PipeWrap')).toHaveLength(before + 1);
    running.stdin?.end('said');
    expect(await running).toMatchObject({ stdout: 'said', stderr: '' });
  });
});

function opened(): { readonly source: PipeSource; readonly end: number } {
  const [read, end] = binding().pipe();
  return { source: new PipeSource(read), end };
}

function collect(source: PipeSource): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  source.on('data', (chunk: Uint8Array) => chunks.push(chunk));
  source.resume();
  return chunks;
}
