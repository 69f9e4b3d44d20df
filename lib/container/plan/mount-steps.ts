import { UnsupportedError } from '../../errors.js';
import { CREATE, PROPAGATION } from '../../plan/constants.js';
import { overlayOptions } from '../../plan/overlay-options.js';
import { NONE } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import { viewOf } from '../../plan/recipe-view.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { MountFlag, ParsedMount } from '../options/mount-flags.js';
import { aboveFirst } from '../options/mount-target.js';
import { groundOf, type Place } from './ground.js';
import type { PlanInput } from './plan-input.js';

const { NOSUID, NODEV, NOEXEC, RDONLY } = MOUNT_ATTR;

/** MOUNT_ATTR_* of mount_setattr(2), by mount(8)'s names. relatime is 0, the kernel's default. */
const attributes: Readonly<Record<MountFlag, number>> = {
  ro: RDONLY,
  nosuid: NOSUID,
  nodev: NODEV,
  noexec: NOEXEC,
  relatime: 0,
  noatime: 0x10,
  strictatime: 0x20,
  nodiratime: 0x80,
};

function attributesOf(flags: ReadonlySet<MountFlag>): number {
  return [...flags].reduce((all, flag) => all | attributes[flag], 0);
}

/**
 * Steps for the mounts that were asked for, in their order, and for the volumes in them. `prepare` has host steps; `places` has all mounts,
 * those of `before` first.
 */
export function planMounts(
  input: Pick<PlanInput, 'slots' | 'options' | 'fileTargets' | 'images' | 'bound'>,
  {
    root,
    proc,
    before,
    tmpfs,
    volumes,
  }: { root: Slot; proc: Slot; before: readonly Place[]; tmpfs: Slot; volumes: ReadonlyMap<string, Slot> },
): { prepare: Step[]; open: Step[]; attach: Step[]; places: readonly Place[] } {
  const { slots, options, fileTargets } = input;
  const [prepare, open, attach]: [Step[], Step[], Step[]] = [[], [], []];
  const places = [...before];
  const made = [...volumes].map(([target, slot]) => ({ type: 'made', target, slot }) as const);
  for (const mount of aboveFirst<ParsedMount | (typeof made)[number]>([...options.mounts, ...made])) {
    if (mount.type === 'made') {
      attach.push({ op: 'attach', mount: mount.slot, root, path: mount.target, create: CREATE.folder, ...groundOf(places, mount.target) });
      places.push({ path: mount.target, mount: mount.slot });
      continue;
    }
    const recipe = input.images.get(mount.target);
    const attributes = attributesOf(mount.flags);
    const view = recipe && viewOf(recipe, { slots, tmpfs, name: `image${places.length}`, attributes });
    const bound = input.bound.get(mount.target);
    const slot = view?.root ?? (bound === undefined ? slots.take() : slots.give(bound));
    if (view) {
      open.push(...view.open);
      attach.push(...view.make);
    } else if (mount.type === 'bind') {
      const shared = mount.propagation.endsWith('shared');
      // a peer of the host's mount can only be made in the mount namespace of the host
      const [clone, ...set] = bindSteps(mount, slot, shared);
      (shared ? prepare : open).push(...(bound === undefined ? [clone] : []), ...set);
    } else {
      const joins = mount.type === 'proc' && typeof options.namespaces.pid !== 'string';
      attach.push(...(joins ? sameProc(mount, slot, proc) : [filesystemStep(mount, slot)]));
    }
    attach.push({
      op: 'attach',
      mount: slot,
      root,
      path: mount.target,
      create: fileTargets.has(mount.target) ? CREATE.file : CREATE.folder,
      ...groundOf(places, mount.target),
    });
    if (view) attach.push(...view.below);
    places.push({ path: mount.target, mount: slot, ...(mount.type === 'tmpfs' ? { own: true } : showsOf(mount)) });
  }
  return { prepare, open, attach, places };
}

function showsOf({ type }: ParsedMount): Pick<Place, 'shows'> {
  if (type === 'proc') return { shows: '/proc' };
  return type === 'sysfs' ? { shows: '/sys' } : {};
}

function bindSteps(mount: ParsedMount, slot: Slot, host: boolean): [clone: Step, set: Step] {
  const recursive = mount.recursive ? 1 : 0;
  const side = host ? { host } : {};
  const set = attributesOf(mount.flags);
  const propagation = PROPAGATION[propagationOf(mount)];
  return [
    { op: 'clone_mount', ...side, out: slot, at: NONE, path: mount.source ?? '', recursive },
    // MOUNT_ATTR__ATIME: setting one of the access time modes needs all of its bits cleared
    { op: 'set_mount', ...side, mount: slot, recursive, set, clear: (set & 0x70) === 0 ? 0 : 0x70, propagation },
  ];
}

function propagationOf({ propagation }: ParsedMount): 'private' | 'slave' | 'shared' {
  if (propagation.endsWith('shared')) return 'shared';
  return propagation.endsWith('slave') ? 'slave' : 'private';
}

/** One more mount of the /proc that is there: a new proc would show the processes of the pid namespace in which it is made. */
function sameProc(mount: ParsedMount, out: Slot, proc: Slot): Step[] {
  const [option] = mount.data;
  if (option !== undefined)
    throw new UnsupportedError(`option ${option} of a proc mount`, 'a pid namespace is joined, whose /proc is shared');
  return [
    { op: 'clone_mount', out, at: proc, path: '', recursive: 0 },
    { op: 'set_mount', mount: out, recursive: 0, set: attributesOf(mount.flags), clear: 0, propagation: 0 },
  ];
}

function filesystemStep(mount: ParsedMount, out: Slot): Step {
  const options = mount.type === 'overlay' ? [...mount.data, ...overlayOptions()] : mount.data;
  return { op: 'filesystem', out, type: mount.type, options, attributes: attributesOf(mount.flags) };
}
