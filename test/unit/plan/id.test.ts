import * as fs from 'node:fs';
import { beforeEach, describe, expect, it, vi } from 'vitest';

vi.mock(import('node:fs'), async (original) => {
  const all = await original();
  return { ...all, readSync: vi.fn(all.readSync) };
});

let newId: () => string;

beforeEach(async () => {
  vi.resetModules();
  ({ newId } = await import('../../../lib/plan/id.js'));
});

describe('a name that is used once', () => {
  it('has 32 hexadecimal digits, and no bit that is the same in all of many', () => {
    const names = Array.from({ length: 1000 }, newId);
    for (const name of names) expect(name).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set(names).size).toBe(names.length);
    const all = names.map((name) => BigInt(`0x${name}`));
    expect(all.reduce((ones, name) => ones & name)).toBe(0n);
    expect(all.reduce((some, name) => some | name)).toBe(2n ** 128n - 1n);
  });

  it('is random where the file of random bytes is empty', () => {
    vi.mocked(fs.readSync).mockReturnValue(0);
    expect(newId()).not.toBe(newId());
  });
});
