import { readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Arrival } from '../../../../lib/image/store/arrival.js';
import { temporaryFolder } from '../../../fixtures/temporary.js';

const folder = temporaryFolder();

/** An arrival with bytes, and the file that they are in. */
async function arrived(): Promise<{ arrival: Arrival; close: () => Promise<void> }> {
  const path = join(folder, 'blob');
  writeFileSync(path, 'bytes');
  const file = await open(path, 'r');
  const arrival = new Arrival();
  await arrival.begin(file);
  arrival.grown(5);
  return { arrival, close: () => file.close() };
}

it('gives its file once, to be read and closed by who takes it', async () => {
  const { arrival, close } = await arrived();
  const taken = await arrival.take();
  await close();
  await arrival.end();
  expect(await taken?.readFile('utf8')).toBe(readFileSync(join(folder, 'blob'), 'utf8'));
  await taken?.close();
});

it('gives no file that is being closed', async () => {
  const { arrival, close } = await arrived();
  const ended = arrival.end();
  expect(await arrival.take()).toBeNull();
  await Promise.all([ended, close()]);
});

it('says of bytes that were taken that they were wrong, though no others come here', async () => {
  const { arrival, close } = await arrived();
  const taken = await arrival.take();
  await arrival.spoil();
  await arrival.end();
  expect(arrival.isReplaced).toBe(true);
  await expect(arrival.reach(1)).rejects.toThrow('wrong');
  await Promise.all([taken?.close(), close()]);
});

it('gives nothing of bytes that were wrong before somebody took them', async () => {
  const { arrival, close } = await arrived();
  await arrival.spoil();
  await arrival.end();
  expect([await arrival.take(), arrival.isReplaced]).toEqual([null, false]);
  await close();
});
