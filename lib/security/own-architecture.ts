import { arch } from 'node:process';
import { UnsupportedError } from '../errors.js';
import type { Architecture } from './filter.js';

/** @throws UnsupportedError for a machine whose system calls have no table here */
export function ownArchitecture(): Architecture {
  if (arch === 'x64') return 'x86_64';
  if (arch === 'arm64') return 'arm64';
  throw new UnsupportedError('seccomp', `there is no table of system calls for ${arch}`, "Run with seccomp: 'unconfined'.");
}
