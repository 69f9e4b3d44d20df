import { geteuid } from 'node:process';
import { UnsupportedError } from '../errors.js';
import type { Shim } from '../native/shim.js';
import { type GroupLayout, groupLayout, isTop, withBases } from './cgroup-base.js';
import { type Feature, lacking, works } from './feature.js';
import { moveToScope } from './scope-layout.js';

/** A folder of a hierarchy below which a detached container's shim gets a group of its own, out of the unit of this process. */
export interface ShimPlace {
  readonly folder: string;
  /** It may hold processes beside groups: the shim goes back there, so that the group can be removed. The scope of a user goes with the shim. */
  readonly isTop: boolean;
}

/** Where the groups of a detached container are made, and whether the stop of a unit ends it. */
export interface DetachedLayout {
  readonly layout: GroupLayout;
  readonly moved: readonly ShimPlace[];
  readonly feature: Feature;
}

/** The path of a systemd unit, which is stopped with all groups below it (systemd.kill(5)). */
const UNIT = /^.*?[^/]+\.(?:service|scope)(?=\/|$)/;

/**
 * The layout for a container that is to outlive this process, as far as this user may go there without help: where this process is part of a unit
 * of systemd, the top of each hierarchy.
 */
export function detachedLayout(own = groupLayout(), isRoot = geteuid?.() === 0): DetachedLayout {
  const hierarchies = new Set([...own.controllers.values(), ...(own.unified ? [own.unified] : [])]);
  const units = [...hierarchies].flatMap(({ mountPoint, ownPath }) => {
    const unit = ownPath === null ? undefined : UNIT.exec(ownPath.slice(mountPoint.length))?.[0];
    return unit === undefined ? [] : [{ mountPoint, unit }];
  });
  const [first] = units;
  if (first === undefined) return { layout: own, moved: [], feature: works };
  const tops = units.filter(({ mountPoint }) => isRoot && isTop(mountPoint)).map(({ mountPoint }) => mountPoint);
  const left = units.find(({ mountPoint }) => !tops.includes(mountPoint));
  const feature = left
    ? lacking(`a detached container stays in the unit of this process, ${left.unit}, and ends when that is stopped`, 'Run as root.')
    : works;
  const layout = withBases(own, new Map(tops.map((mountPoint) => [mountPoint, mountPoint])));
  return { layout, moved: tops.map((folder) => ({ folder, isTop: true })), feature };
}

/**
 * Takes the shim of a detached container out of the unit of this process where the shim can't go by itself: into a scope of the systemd of this
 * user, which is then the container's own. Where there is no such systemd, the container stays in the unit: `feature`
 * has the reason.
 */
export async function leaveUnit(shim: Pick<Shim, 'pid' | 'owner'>, layout: GroupLayout = groupLayout()): Promise<DetachedLayout> {
  const own = detachedLayout(layout);
  if (own.feature.available || own.layout.unified?.ownPath == null) return own;
  try {
    const { mountPoint, folder } = await moveToScope(shim);
    return {
      layout: withBases(own.layout, new Map([[mountPoint, folder]])),
      moved: [{ folder, isTop: false }],
      feature: works,
    };
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    return { ...own, feature: lacking(`${own.feature.reason}: ${error.reason}`, error.fix ?? own.feature.fix) };
  }
}
