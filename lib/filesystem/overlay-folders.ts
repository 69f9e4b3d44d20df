import type { Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { invalidOption } from '../errors.js';
import { attempting } from '../native/system-errors.js';
import type { Ownership } from '../plan/recipe.js';
import type { OverlaySettings } from './overlay-fs-options.js';

/** A folder of the caller's, or one that is made for the mount and removed with it. */
export interface Place {
  readonly path: string;
  readonly made: boolean;
}

/** Where a mount is attached. */
export interface Target {
  /** Without symlinks. */
  readonly path: string;
  /** The folders that are made for the mount and removed with it, each in the one before. */
  readonly made: readonly string[];
}

/** The folders of a mount as they were found; nothing is made yet. */
export interface Folders {
  /** `null` without an upper folder. */
  readonly work: Place | null;
  readonly target: Target;
  /** The mode and owner of the topmost lower folder, which the mount's own top is to have too. */
  readonly root: Ownership;
}

/**
 * Looks at every folder that was named, and finds names for those that were not.
 *
 * @param options.id what makes a name unique
 * @param options.isPrivate a target that is made lies in a folder that nobody but this user enters
 * @throws SyscallError for one that is missing, naming it; NacelleError `ERR_INVALID_OPTION` for what is no folder
 */
export async function findFolders(settings: OverlaySettings, { id, isPrivate }: { id: string; isPrivate: boolean }): Promise<Folders> {
  const lowers = await Promise.all(settings.lower.map((path, index) => folder(path, `lower[${index}]`)));
  const work = settings.upper === null ? null : await findWork(settings.upper, settings.work, id);
  const target = await findTarget(settings.target, { id, isPrivate });
  const { mode = 0o755, uid = 0, gid = 0 } = lowers[0] ?? {};
  return { work, target, root: { mode: mode & 0o7777, uid, gid } };
}

async function findWork(upper: string, work: string | null, id: string): Promise<Place> {
  const { dev } = await folder(upper, 'upper');
  if (work !== null) {
    const status = await folder(work, 'work');
    if (status.dev !== dev) throw invalidOption('work', `${work} must lie on the same file system as the upper ${upper}`);
    return { path: work, made: false };
  }
  const beside = dirname(await real(upper, 'upper'));
  const status = await folder(beside, 'upper');
  if (status.dev !== dev) {
    throw invalidOption('work', `is missing: the upper ${upper} is the top of its file system, so no folder beside it can be used`);
  }
  return { path: join(beside, `.nacelle-work-${id}`), made: true };
}

async function findTarget(target: string | null, { id, isPrivate }: { id: string; isPrivate: boolean }): Promise<Target> {
  if (target !== null) {
    await folder(target, 'target');
    return { path: await real(target, 'target'), made: [] };
  }
  const path = join(await real(tmpdir(), 'target'), `nacelle-overlay-${id}`);
  if (!isPrivate) return { path, made: [path] };
  const inside = join(path, 'files');
  return { path: inside, made: [path, inside] };
}

async function folder(path: string, option: string): Promise<Stats> {
  const status = await lookUp(path, option);
  if (!status.isDirectory()) throw invalidOption(option, `${path} is not a folder`);
  return status;
}

function lookUp(path: string, option: string): Promise<Stats> {
  return attempting(`look up ${path} for ${option}`, () => stat(path));
}

function real(path: string, option: string): Promise<string> {
  return attempting(`look up ${path} for ${option}`, () => realpath(path));
}
