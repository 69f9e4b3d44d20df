import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { returnValue } from '../../../lib/security/actions.js';
import type { Action, Operator } from '../../../lib/security/profile.js';
import type { Abi } from '../../../lib/security/syscalls/tables.js';
import { audit, x32Bit } from './interpreter.js';

// A header is no program; where it is missing, its package is named as the thing that is not there.
/** What a test needs that uses this. */
export const ORACLE_TOOLS = ['gcc', ...(existsSync('/usr/include/seccomp.h') ? [] : ['libseccomp-dev'])];

export interface Target {
  /** libseccomp's name. */
  readonly name: 'x86_64' | 'x32' | 'x86';
  readonly abi: Abi;
  readonly arch: number;
  readonly bit: number;
}

export const targets: readonly Target[] = [
  { name: 'x86_64', abi: 'x86_64', arch: audit.x86_64, bit: 0 },
  { name: 'x32', abi: 'x86_64', arch: audit.x86_64, bit: x32Bit },
  { name: 'x86', abi: 'i386', arch: audit.i386, bit: 0 },
];

/** A rule for libseccomp, whose MASKED_EQ has the mask in `value`. */
export interface OracleRule {
  readonly action: Action;
  readonly name: string;
  readonly args?: readonly { index: number; op: Operator; value: number | bigint; valueTwo?: number | bigint | null | undefined }[];
}

/** Their order in enum scmp_compare, from 1. */
const operators: readonly Operator[] = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'];

/** libseccomp, by the program that is compiled here. */
export class Oracle {
  readonly #program: string;

  constructor(folder: string) {
    this.#program = join(folder, 'seccomp-oracle');
    const source = fileURLToPath(new URL('../../fixtures/programs/seccomp-oracle.c', import.meta.url));
    execFileSync('gcc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', this.#program, source, '-lseccomp']);
  }

  /** What libseccomp knows, by number. */
  names(target: string): Map<number, string> {
    const lines = execFileSync(this.#program, ['names', target], { encoding: 'utf8' }).trim().split('\n');
    return new Map(lines.map((line) => line.split(' ')).map(([number, name = '']) => [Number(number), name]));
  }

  /** The filter of these rules, a list or, with `level` 2, a tree; `null` where libseccomp says that they contradict each other. */
  filter(defaultAction: Action, archs: readonly string[], rules: readonly OracleRule[], level: 1 | 2 = 1): Uint8Array | null {
    const lines = [
      `default ${returnValue(defaultAction)}`,
      ...(level === 1 ? [] : [`optimise ${level}`]),
      ...archs.map((arch) => `arch ${arch}`),
      ...rules.map(({ action, name, args = [] }) =>
        [
          'rule',
          returnValue(action),
          name,
          ...args.flatMap(({ index, op, value, valueTwo = 0 }) => words(index, op, value, valueTwo)),
        ].join(' '),
      ),
    ];
    const { status, stdout, stderr } = spawnSync(this.#program, ['filter'], { input: `${lines.join('\n')}\n` });
    if (status === 3) return null;
    if (status !== 0) throw new Error(`the oracle ended with ${status}: ${stderr.toString()}`);
    return stdout;
  }
}

function words(index: number, op: Operator, value: number | bigint, valueTwo: number | bigint | null): string[] {
  return [index, operators.indexOf(op) + 1, value, valueTwo ?? 0].map(String);
}
