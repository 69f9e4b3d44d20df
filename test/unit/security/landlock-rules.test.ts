import { describe, expect, it } from 'vitest';
import { handledBy, type PathAccess, portRules, rightsOf } from '../../../lib/security/landlock-rules.js';

// linux/landlock.h of Linux 6.15, by name
const EXECUTE = 0x1;
const WRITE_FILE = 0x2;
const READ_FILE = 0x4;
const READ_DIR = 0x8;
const REFER = 0x2000;
const TRUNCATE = 0x4000;
const NO_NODES = ~(0x40 | 0x200 | 0x800); // MAKE_CHAR, MAKE_SOCK, MAKE_BLOCK

describe('what is denied without a rule', () => {
  it.each([
    [1, 0x1fff, 0, 0],
    [2, 0x3fff, 0, 0],
    [3, 0x7fff, 0, 0],
    [4, 0x7fff, 3, 0],
    [5, 0xffff, 3, 0],
    [6, 0xffff, 3, 3],
    [7, 0xffff, 3, 3],
    [8, 0xffff, 3, 3],
  ])('is all that ABI %i knows', (abi, files, ports, scopes) => {
    expect(handledBy(abi, { confinesPorts: true })).toEqual({ files, ports, scopes });
    expect(handledBy(abi, { confinesPorts: false })).toEqual({ files, ports: 0, scopes });
  });
});

describe('rights of a path', () => {
  it.each<[PathAccess, number, number]>([
    ['read', READ_FILE | READ_DIR, READ_FILE],
    ['run', EXECUTE | READ_FILE | READ_DIR, EXECUTE | READ_FILE],
    ['write', 0x7ffe & NO_NODES, READ_FILE | WRITE_FILE | TRUNCATE],
    ['write-and-run', 0x7fff & NO_NODES, EXECUTE | READ_FILE | WRITE_FILE | TRUNCATE],
    ['device', READ_FILE | WRITE_FILE, READ_FILE | WRITE_FILE],
  ])('%s', (access, folder, file) => {
    expect(rightsOf({ access, isFolder: true }, 7)).toBe(folder);
    expect(rightsOf({ access, isFolder: false }, 7)).toBe(file);
  });

  it('are none that the kernel would not know, for which it refuses the rule', () => {
    for (let abi = 1; abi <= 7; abi++) {
      const { files } = handledBy(abi, { confinesPorts: true });
      for (const access of ['read', 'run', 'write', 'write-and-run', 'device'] as const) {
        for (const isFolder of [true, false]) expect(rightsOf({ access, isFolder }, abi) & ~files).toBe(0);
      }
    }
    expect(rightsOf({ access: 'write', isFolder: true }, 1) & (REFER | TRUNCATE)).toBe(0);
    expect(rightsOf({ access: 'write', isFolder: true }, 2) & (REFER | TRUNCATE)).toBe(REFER);
  });
});

describe('rules for ports', () => {
  it('are one for each port', () => {
    expect(portRules({ connect: [443, 80], bind: [80] }, 4)).toEqual([
      { port: 443, rights: 2 },
      { port: 80, rights: 3 },
    ]);
  });

  it('are none before ABI 4', () => {
    expect(portRules({ connect: [443], bind: [80] }, 3)).toEqual([]);
  });
});
