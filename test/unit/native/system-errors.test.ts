import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { errnoName, errnoWords } from '../../../lib/native/system-errors.js';

const headers = ['/usr/include/asm-generic/errno-base.h', '/usr/include/asm-generic/errno.h'];

describe('names of errors', () => {
  it.skipIf(!headers.every((path) => existsSync(path)))("are the kernel's", () => {
    const text = headers.map((path) => readFileSync(path, 'utf8')).join('\n');
    const names = new Map([...text.matchAll(/^#define\s+(E\w+)\s+(\d+)/gm)].map(([, name = '', number]) => [Number(number), name]));
    expect(names.size).toBeGreaterThan(100);
    const told = [...names.keys()].map((errno) => [errno, errnoName(errno)] as const).filter(([, name]) => !name.startsWith('errno '));
    expect(new Map(told)).toEqual(new Map([...names].filter(([errno]) => told.some(([known]) => known === errno))));
    expect(told.map(([errno]) => errno)).toEqual(expect.arrayContaining(Object.values(constants.errno)));
  });

  it('of what has none are its number', () => {
    expect([errnoName(9999), errnoWords(9999)]).toEqual(['errno 9999', '']);
  });

  it('have words that fit every descriptor', () => {
    expect(errnoWords(constants.errno.EOPNOTSUPP)).toBe('operation not supported');
  });
});
