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

/** The folders of a mount as they were found; nothing is made yet. */
export interface Folders {
  /** `null` without an upper folder. */
  readonly work: Place | null;
  /** The path to mount on, without symlinks. */
  readonly target: Place;
  /** The mode and owner of the topmost lower folder, which the mount's own top is to have too. */
  readonly root: Ownership;
}

/**
 * Looks at every folder that was named, and finds names for those that were not.
 *
 * @param id what makes a name unique
 * @throws SyscallError for one that is missing, naming it; NacelleError `ERR_INVALID_OPTION` for what is no folder
 */
export async function findFolders(settings: OverlaySettings, id: string): Promise<Folders> {
  const lowers = await Promise.all(settings.lower.map((path, index) => folder(path, `lower[${index}]`)));
  const work = settings.upper === null ? null : await findWork(settings.upper, settings.work, id);
  const target = await findTarget(settings.target, id);
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

async function findTarget(target: string | null, id: string): Promise<Place> {
  if (target === null) return { path: join(await real(tmpdir(), 'target'), `nacelle-overlay-${id}`), made: true };
  await folder(target, 'target');
  return { path: await real(target, 'target'), made: false };
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
