import { write as writeLater, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { hearPipe } from '../../lib/native/heard-pipe.js';
import { binding, closeDescriptor } from '../../lib/native/load-addon.js';
import { requires } from '../fixtures/requires.js';

const { describe, it } = requires({});

describe('a pipe that is heard', () => {
  it('gives all that was written when the last writer has gone, with characters that were cut', async () => {
    const [read, write] = binding().pipe();
    const { text } = hearPipe(read);
    const euro = Buffer.from('€');
    const filler = 'x'.repeat(4095);
    writeSync(write, Buffer.concat([Buffer.from(filler), euro]));
    closeDescriptor(write);
    expect(await text).toBe(`${filler}€`);
  });

  it('is empty where nothing was written', async () => {
    const [read, write] = binding().pipe();
    const { text } = hearPipe(read);
    closeDescriptor(write);
    expect(await text).toBe('');
  });

  it('gives what came until it is closed, while there is a writer still', async () => {
    const [read, write] = binding().pipe();
    const { text, close } = hearPipe(read);
    // more than there is room for in the pipe: it is written when some of it was read
    await promisify(writeLater)(write, 'x'.repeat(2 ** 20));
    close();
    expect(await text).toMatch(/^x+$/);
    closeDescriptor(write);
  });
});
