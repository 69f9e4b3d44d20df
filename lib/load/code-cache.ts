import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { arch, geteuid, pid, version } from 'node:process';
import { paddedLength } from './code-segments.js';

const WRITABLE_BY_OTHERS = 0o022;

/**
 * What code was made of, and by what: code of another version of either is of no use. V8 itself compares no more of a source than its length. Pure.
 *
 * @param file the bundle
 * @param digest of what is in it: all else may be the same after it was replaced
 * @returns a line, with a length that leaves what is behind it where V8 takes it as it lies there
 */
export function codeKey({ ino, size, mtimeMs }: Pick<Stats, 'ino' | 'size' | 'mtimeMs'>, digest: string): string {
  const key = `nacelle code 4 ${version} ${arch} ${ino} ${size} ${mtimeMs} ${digest}`;
  return `${key.padEnd(paddedLength(key.length + 1) - 1)}\n`;
}

/**
 * Reads the code that was kept. V8 runs it as it is, so nobody else may have written it: a file, or a folder, that is another user's, or that others may write
 * to, is passed over, as is whatever can't be read.
 *
 * @returns `undefined`: there is none that can be used
 */
export function keptCode(path: string, key: string): Buffer | undefined {
  let fd: number | null = null;
  try {
    if (!isOwn(lstatSync(dirname(path)))) return undefined;
    // a named pipe would keep whoever opens it waiting
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const status = fstatSync(fd);
    if (!status.isFile() || !isOwn(status)) return undefined;
    const kept = readFileSync(fd);
    return kept.subarray(0, key.length).toString('latin1') === key ? kept.subarray(key.length) : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

/** How the name ends of code that does not have its own name yet. */
export const UNFINISHED = /\.\d+$/;

/**
 * Keeps code for the next command, as a whole or not at all, where the folder is there and this user's alone. What processes have left that were killed while they
 * wrote goes. It is only for speed: no failure is told.
 */
export function keepCode(path: string, key: string, makeCode: () => Buffer): void {
  // a process of this number in another pid namespace has another name
  const unfinished = `${path}.${pid}.${Math.floor(Math.random() * 2 ** 52)}`;
  try {
    if (!isOwn(lstatSync(dirname(path)))) return;
    removeUnfinished(path);
    try {
      writeFileSync(unfinished, Buffer.concat([Buffer.from(key, 'latin1'), makeCode()]), { flag: 'wx', mode: 0o600 });
      renameSync(unfinished, path);
    } finally {
      rmSync(unfinished, { force: true });
    }
  } catch {
    return;
  }
}

/** Of one that writes just now, too, which then keeps nothing: this process keeps as much. */
function removeUnfinished(path: string): void {
  const folder = dirname(path);
  const beginning = `${basename(path)}.`;
  for (const name of readdirSync(folder))
    if (name.startsWith(beginning) && UNFINISHED.test(name)) rmSync(join(folder, name), { force: true });
}

function isOwn({ uid, mode }: Stats): boolean {
  return uid === geteuid?.() && (mode & WRITABLE_BY_OTHERS) === 0;
}
