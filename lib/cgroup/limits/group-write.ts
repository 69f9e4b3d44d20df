import { UnsupportedError } from '../../errors.js';
import type { GroupLayout } from '../../host/cgroup-base.js';

/** A value for a file of a controller. */
export interface Write {
  readonly controller: string;
  readonly file: string;
  readonly value: string;
}

/** The limits that a group's memory has already, on which the order of the writes depends. Bytes; Infinity for no limit. */
export interface CurrentMemory {
  readonly memory: number;
  /** Memory plus swap. */
  readonly memorySwap: number;
}

/** What was found in a group of each controller, for files that not every kernel has. */
export interface GroupFiles {
  /** Whether the file is there, and does something. */
  has(controller: string, file: string): boolean;
  /** The text of the file; `null` where it is not there. */
  read(controller: string, file: string): string | null;
}

export const noFiles: GroupFiles = { has: () => false, read: () => null };

/** What decides how limits are written. */
export interface Place {
  readonly layout: GroupLayout;
  /** Asked only for files that not every kernel has. */
  readonly files: GroupFiles;
  /** The limits of a group that has some already; a new group has none. */
  readonly current?: CurrentMemory;
}

/**
 * The version of the hierarchy that a controller is in.
 *
 * @throws UnsupportedError when it is in none, or where no group can have it
 */
export function versionOf(controller: string, limit: string, layout: GroupLayout): 1 | 2 {
  const hierarchy = layout.controllers.get(controller);
  const there = hierarchy && layout.bases.get(hierarchy.mountPoint);
  if (there?.path === null) throw new UnsupportedError(`limit ${limit}`, there.reason, there.fix);
  if (hierarchy) return hierarchy.version;
  const base = layout.mode === 'v2' && layout.unified ? layout.bases.get(layout.unified.mountPoint) : undefined;
  // where no group can be made at all, that is the reason to tell
  if (base?.path === null) throw new UnsupportedError(`limit ${limit}`, base.reason, base.fix);
  const { withheld } = layout;
  if (withheld?.controllers.includes(controller)) throw new UnsupportedError(`limit ${limit}`, withheld.reason, withheld.fix);
  throw new UnsupportedError(
    `limit ${limit}`,
    `the cgroup controller ${controller} is not there`,
    layout.mode === 'v2'
      ? `Have it handed on: write +${controller} to cgroup.subtree_control of the groups above, or run with systemd-run -p Delegate=yes.`
      : `Mount it, or boot with cgroup_enable=${controller}.`,
  );
}

/** @throws UnsupportedError where a limit is of the other version */
export function requireVersion(version: 1 | 2, controller: string, limit: string, { layout }: Place, instead: string): void {
  const there = layout.controllers.get(controller)?.version;
  if (there === version) {
    versionOf(controller, limit, layout);
    return;
  }
  const reason =
    there === undefined
      ? `the cgroup v${version} controller ${controller} is not mounted`
      : `the controller ${controller} is on cgroup v${there} here, which has no such limit`;
  throw new UnsupportedError(`limit ${limit}`, reason, instead);
}

/** @throws UnsupportedError where this kernel has no such file */
export function requireFile(controller: string, file: string, limit: string, { files }: Place, fix: string): string {
  if (files.has(controller, file)) return file;
  throw new UnsupportedError(`limit ${limit}`, `this kernel has no ${file}, or ignores it`, fix);
}
