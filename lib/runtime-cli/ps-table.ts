import { execFileSync } from 'node:child_process';
import { NacelleError, toError } from '../errors.js';
import { usageError } from './config/runtime-error.js';

/** What ps(1) tells of these processes. @throws NacelleError when ps is not there or fails */
export function psTable(pids: readonly number[], args: readonly string[]): string {
  return psLines(pids, psOutput(args));
}

function psOutput(args: readonly string[]): string {
  try {
    return execFileSync('ps', args, { encoding: 'utf8', maxBuffer: MOST_OUTPUT, stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (cause) {
    throw new NacelleError(`ps ${args.join(' ')}: ${toError(cause).message.trim()}`, { code: 'ERR_STATE', cause });
  }
}

/** Bytes: a machine may have many processes, of which ps tells all. */
const MOST_OUTPUT = 64 * 1024 * 1024;

/** The head of a table of ps, and the lines of these processes; their column is found by its name, as runc does. Pure. @throws NacelleError without one */
export function psLines(pids: readonly number[], table: string): string {
  const [head = '', ...lines] = table.trimEnd().split('\n');
  const column = head.trim().split(/\s+/).indexOf('PID');
  if (column < 0) throw usageError("couldn't find PID field in ps output");
  const wanted = new Set(pids.map(String));
  return [head, ...lines.filter((line) => wanted.has(line.trim().split(/\s+/)[column] ?? ''))].join('\n');
}
