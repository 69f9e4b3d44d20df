import * as fs from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { newId } from '../../../lib/plan/id.js';

afterEach(() => {
  vi.doUnmock('node:fs');
  vi.resetModules();
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

  it('is random where the file of random bytes is empty', async () => {
    vi.resetModules();
    vi.doMock('node:fs', () => ({ ...fs, readSync: () => 0 }));
    const { newId: named } = await import('../../../lib/plan/id.js');
    expect(named()).not.toBe(named());
  });
});
