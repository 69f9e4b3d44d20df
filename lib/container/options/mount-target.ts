import { isWithin } from '../../host/mountinfo.js';
import { absolutePath } from '../../options/common-fields.js';
import { WRONG } from '../../options/option-fields.js';
import { tidied } from './tidied.js';

/** Whether a path can only be that of a folder. */
export function endsAsFolder(path: string): boolean {
  return /\/\.?$/.test(path);
}

/** What is wrong with such a path beside text or bytes. */
export const MAKES_FILE = "has a '/' at its end, but text and bytes make a file";

/** Whether a mount is on a path, or above it. */
export function isMountedOver(path: string, mounts: readonly { readonly target: string }[]): boolean {
  return mounts.some(({ target }) => isWithin(path, target));
}

/** The mounts in the order given, but for those that would hide one before them: they come before that. */
export function aboveFirst<T extends { readonly target: string }>(mounts: readonly T[]): T[] {
  const sorted: T[] = [];
  for (const mount of mounts) {
    const below = sorted.findIndex(({ target }) => isWithin(target, mount.target));
    sorted.splice(below === -1 ? sorted.length : below, 0, mount);
  }
  return sorted;
}

/** A place in the container, tidied; not the root itself. */
export const target = absolutePath.transform(tidied).refine((path) => path !== '/', "must not be '/': that is the image or the rootfs");

/** Such a place, tidied, or `null`: `complain` is told what is wrong with it. */
export function targetOf(path: string, complain: (problem: string) => void): string | null {
  const taken = target.read(path);
  if (taken !== WRONG) return taken;
  const { error } = target.schema().safeParse(path);
  complain(error?.issues[0]?.message ?? 'is wrong');
  return null;
}
