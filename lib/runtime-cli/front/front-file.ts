import { NO_CONTAINER } from '../config/runtime-error.js';
import { written } from './plans-text.js';

/** Bytes that the kernel reads of a file to find its interpreter (execve(2), "Interpreter scripts"; 127 before Linux 5.1). */
const FIRST_LINE = 255;

/** What the front is to know. Paths are absolute. */
export interface FrontFacts {
  /** The executable of the shim. */
  readonly shim: string;
  readonly node: string;
  readonly script: string;
  /** Where states are without `--root`. */
  readonly root: string;
  /** For how many seconds without a command a resident planner stays; `null`: there is none. */
  readonly resident: number | null;
  /** Variables that Node does not get. */
  readonly unset: readonly string[];
}

/**
 * The file that engines are given, as addon/shim/front/front_file.h reads it: its interpreter is the shim's executable, which takes what it needs from the other
 * lines. `null` where no first line can name that executable. Pure.
 */
export function frontText({ shim, node, script, root, resident, unset }: FrontFacts): string | null {
  const first = `#!${shim} nacelle-oci`;
  if (/\s/.test(shim) || Buffer.byteLength(first) >= FIRST_LINE) return null;
  const lines = [
    first,
    '# Written by nacelle-oci install. It does what create has left plans for, and starts Node for the rest.',
    ...Object.entries({ node, script, root, missing: NO_CONTAINER }).map(([key, value]) => `${key} ${written(value)}`),
    ...(resident === null ? [] : [`resident ${resident}`]),
    ...unset.map((name) => `unset ${name}`),
  ];
  return `${lines.join('\n')}\n`;
}
