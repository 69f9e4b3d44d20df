import { geteuid } from 'node:process';
import { type GroupLayout, groupLayout, isTop, withBases } from './cgroup-base.js';
import { type Feature, lacking, works } from './feature.js';

/** Where the groups of a detached container are made, and whether the stop of a unit ends it. */
export interface DetachedLayout {
  readonly layout: GroupLayout;
  /** New bases: there the container's shim must go too, by their mount points. */
  readonly moved: readonly string[];
  readonly feature: Feature;
}

/** The path of a systemd unit, which is stopped with all groups below it (systemd.kill(5)). */
const UNIT = /^.*?[^/]+\.(?:service|scope)(?=\/|$)/;

/**
 * The layout for a container that is to outlive this process: where this process is part of a unit of systemd, the top of each hierarchy, as
 * far as this user may go there.
 */
export function detachedLayout(own = groupLayout(), isRoot = geteuid?.() === 0): DetachedLayout {
  const hierarchies = new Set([...own.controllers.values(), ...(own.unified ? [own.unified] : [])]);
  const units = [...hierarchies].flatMap(({ mountPoint, ownPath }) => {
    const unit = ownPath === null ? undefined : UNIT.exec(ownPath.slice(mountPoint.length))?.[0];
    return unit === undefined ? [] : [{ mountPoint, unit }];
  });
  const [first] = units;
  if (first === undefined) return { layout: own, moved: [], feature: works };
  const moved = units.filter(({ mountPoint }) => isRoot && isTop(mountPoint)).map(({ mountPoint }) => mountPoint);
  const left = units.find(({ mountPoint }) => !moved.includes(mountPoint));
  const feature = left
    ? lacking(`a detached container stays in the unit of this process, ${left.unit}, and ends when that is stopped`, 'Run as root.')
    : works;
  return { layout: withBases(own, new Map(moved.map((mountPoint) => [mountPoint, mountPoint]))), moved, feature };
}
