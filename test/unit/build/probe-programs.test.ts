import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { probeProgram } from '../../../lib/build/execute/probe-programs.js';
import { canonicalPlatform, currentPlatform, parsePlatform, platformName } from '../../../lib/image/formats/platform.js';

test('the program of this machine runs and ends with 0', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nacelle-test-'));
  try {
    const program = join(folder, 'probe');
    writeFileSync(program, probeProgram(currentPlatform().architecture) ?? '', { mode: 0o755 });
    expect(execFileSync(program).toString()).toBe('');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

// elf(5): class, data, e_machine as binutils' elf.h has it, and the size of all
test.each([
  ['386', 1, 1, 3, 84 + 9],
  ['amd64', 2, 1, 62, 120 + 9],
  ['arm', 1, 1, 40, 84 + 12],
  ['arm64', 2, 1, 183, 120 + 12],
  ['loong64', 2, 1, 258, 120 + 12],
  ['mips64le', 2, 1, 8, 120 + 12],
  ['ppc64le', 2, 1, 21, 120 + 12],
  ['riscv64', 2, 1, 243, 120 + 12],
  ['s390x', 2, 2, 22, 120 + 10],
])('the program for %s says so', (architecture, bits, order, machine, size) => {
  const program = probeProgram(architecture) ?? Buffer.alloc(0);
  expect([program[4], program[5], program.length]).toEqual([bits, order, size]);
  expect(order === 2 ? program.readUInt16BE(18) : program.readUInt16LE(18)).toBe(machine);
});

test('there is none for an architecture that is not known', () => {
  expect(probeProgram('wasm')).toBeNull();
});

test.each([
  ['arm64', 'linux/arm64'],
  ['aarch64', 'linux/arm64'],
  ['linux/arm64/v8', 'linux/arm64'],
  ['linux/arm64/v9', 'linux/arm64/v9'],
  ['linux/amd64/v1', 'linux/amd64'],
  ['linux/amd64/v3', 'linux/amd64/v3'],
  ['arm', 'linux/arm/v7'],
  ['armel', 'linux/arm/v6'],
  ['linux/arm/6', 'linux/arm/v6'],
  ['S390X', 'linux/s390x'],
])('the one name of %j is %j', (name, canonical) => {
  const parsed = parsePlatform(name);
  expect(parsed && platformName(canonicalPlatform(parsed))).toBe(canonical);
});
