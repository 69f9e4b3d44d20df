import { existsSync, lstatSync, realpathSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { geteuid } from 'node:process';
import { hasCode, invalidOption } from '../errors.js';
import { attempt, wordsOf } from '../native/system-errors.js';

/**
 * Where an output goes: the path, or where a link there leads. Nobody but this user and root can put something else in its way meanwhile, by which
 * files would be written elsewhere.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for a folder of another user's, or one that all may write to without the sticky bit; SyscallError
 */
export function outputPlace(option: string, wanted: string): string {
  const written = resolve(wanted);
  requireOwn(option, dirname(written));
  const there = attempt(`look at ${written}`, () => lstatSync(written, { throwIfNoEntry: false }));
  if (!there?.isSymbolicLink()) return join(whatIsThere(dirname(written)), basename(written));
  if (isForeign(there.uid)) throw invalidOption(option, `${JSON.stringify(wanted)} is another user's link`);
  if (!existsSync(written)) throw invalidOption(option, `${JSON.stringify(wanted)} is a link to nothing`);
  const path = attempt(`follow ${written}`, () => realpathSync(written));
  requireOwn(option, dirname(path));
  return path;
}

/**
 * The place of a folder that is to be made: nothing is there, or a folder without files.
 *
 * @returns the path, or where a link there leads
 * @throws as {@link outputPlace}, and for a place where something is
 */
export async function freeFolder(option: string, wanted: string): Promise<string> {
  const place = outputPlace(option, wanted);
  const names = await readdir(place).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return [];
    throw invalidOption(option, `${JSON.stringify(wanted)}: ${wordsOf(error)}`, error);
  });
  if (names.length > 0) throw invalidOption(option, `${JSON.stringify(wanted)} is not empty`);
  return place;
}

function requireOwn(option: string, folder: string): void {
  const names = whatIsThere(folder).split('/');
  for (const index of names.keys()) {
    const path = names.slice(0, index + 1).join('/') || '/';
    const there = attempt(`look at ${path}`, () => statSync(path, { throwIfNoEntry: false }));
    // it will be made
    if (!there) return;
    const isForAll = (there.mode & 0o002) !== 0 && (there.mode & 0o1000) === 0;
    if (isForeign(there.uid) || isForAll)
      throw invalidOption(
        option,
        `${JSON.stringify(path)} ${isForAll ? 'can be written to by all' : "is another user's"}: what is in there can be replaced`,
      );
  }
}

/** A folder's path without links, as far as it is there. */
function whatIsThere(folder: string): string {
  if (folder === '/' || existsSync(folder)) return attempt(`follow ${folder}`, () => realpathSync(folder));
  return join(whatIsThere(dirname(folder)), basename(folder));
}

/** In a user namespace root of the machine is none of those who have an id there, and looks like everybody else of these. */
function isForeign(uid: number): boolean {
  return uid !== 0 && uid !== geteuid?.() && uid !== OVERFLOW;
}

/** The id of those who have none (/proc/sys/kernel/overflowuid); no user of the machine has this one. */
const OVERFLOW = 65_534;
