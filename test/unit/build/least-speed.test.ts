import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { SpeedGuard } from '../../../lib/build/files/least-speed.js';

async function* drip(): AsyncGenerator<Buffer> {
  for (;;) {
    yield Buffer.from('.');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function read(source: AsyncIterable<Buffer>, guard: SpeedGuard): Promise<string> {
  const chunks: Buffer[] = [];
  await pipeline(source, guard, async (bytes) => {
    for await (const chunk of bytes) chunks.push(chunk);
  });
  return Buffer.concat(chunks).toString();
}

describe('SpeedGuard', () => {
  test.each([
    ['a byte now and then', drip()],
    ['nothing', new Readable({ read: () => undefined })],
  ])('gives %s up', async (_, source) => {
    const guard = new SpeedGuard('ADD of x', { bytes: 1024, window: 20 });
    await expect(read(source, guard)).rejects.toMatchObject({ code: 'ERR_TIMEOUT', message: expect.stringContaining('ADD of x: fewer') });
  });

  test('passes on what comes as fast as it must, as it is', async () => {
    const guard = new SpeedGuard('ADD of x', { bytes: 1, window: 3_600_000 });
    expect(await read(Readable.from([Buffer.from('on'), Buffer.from('e')]), guard)).toBe('one');
  });
});
