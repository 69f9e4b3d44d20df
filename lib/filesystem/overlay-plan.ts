import { constants } from 'node:fs';
import { confinedStage, READING } from '../plan/confined-worker.js';
import { CLONE, O_PATH, PROPAGATION, SIGKILL } from '../plan/constants.js';
import { overlayOptions } from '../plan/overlay-options.js';
import { NONE, type Plan, planOf, Slots } from '../plan/plan.js';
import { MOUNT_ATTR, type Ownership } from '../plan/recipe.js';
import type { Slot, Step } from '../plan/steps.js';

/** What an overlay is made of; paths are absolute. */
export interface OverlaySource {
  /** The source that a table of mounts shows for the overlay: no other overlay has the same. */
  readonly source: string;
  readonly lower: readonly string[];
  /** Where changes go; `tmpfs` of so many bytes (`null`: half of the memory), its top folder owned as `root` says. */
  readonly upper:
    | { readonly type: 'folder'; readonly upper: string; readonly work: string }
    | { readonly type: 'tmpfs'; readonly size: number | null; readonly root: Ownership }
    | { readonly type: 'none' };
  readonly volatile: boolean;
  /** MOUNT_ATTR_* beside RDONLY, which follows from the upper. */
  readonly attributes: number;
  /** An ordinary user's: made by root of a user namespace, and left in the mount namespace of the process that makes the overlay. */
  readonly isUsers: boolean;
}

/**
 * The plan that makes an overlay as a detached mount. It returns two descriptors: the mount, and the folder that holds
 * the changes, which is how the tmpfs is read: it is mounted nowhere that a path leads to.
 *
 * All is made in a mount namespace of its own, for kernels before 6.15 want the layers of an overlay mounted, and a
 * path that hangs (a dead NFS server) must not hang the shim. The process then waits to be killed.
 *
 * An ordinary user's is not detached: root of a user namespace can bind a mount only from within its mount namespace, whose descriptor is
 * returned too.
 */
export function planMake(source: OverlaySource): { plan: Plan; mount: Slot; changes: Slot; namespace: Slot } {
  const slots = new Slots();
  const lower = source.lower.map((path) => ({ slot: slots.take(), path }));
  const [mount, changes, work, namespace] = [slots.take(), slots.take(), slots.take(), slots.take()];
  const bottom: Slot[] = source.upper.type === 'none' ? [changes] : [];
  const overlay: Step = {
    op: 'overlay',
    out: mount,
    lower: [...lower.map(({ slot }) => slot), ...bottom],
    upper: source.upper.type === 'none' ? NONE : changes,
    work: source.upper.type === 'none' ? NONE : work,
    options: [`source=${source.source}`, ...overlayOptions({ volatile: source.volatile, userxattr: source.isUsers })],
    attributes: source.attributes | (source.upper.type === 'none' ? MOUNT_ATTR.RDONLY : 0),
  };
  const stay: Step[] = [
    { op: 'attach_at', mount, at: NONE, path: '/' },
    { op: 'open_namespace', host: true, out: namespace, type: 'mnt' },
  ];
  const steps: Step[] = [
    { op: 'set_propagation', path: '/', propagation: PROPAGATION.private },
    { op: 'parent_death_signal', signal: SIGKILL },
    ...lower.map(({ slot, path }) => openFolder(slot, path)),
    ...upperSteps(source.upper, { tmpfs: slots.take(), changes, work }),
    overlay,
    ...(source.isUsers ? stay : []),
    { op: 'give', slot: mount },
    { op: 'give', slot: changes },
    { op: 'pause' },
  ];
  const returns = [mount, changes, ...(source.isUsers ? [namespace] : [])];
  return { plan: planOf({ stages: [{ flags: CLONE.mnt, steps }], returns }), mount, changes, namespace };
}

/**
 * The plan that binds what lies in an overlay of an ordinary user, as a detached mount. Its process goes into the overlay's mount namespace, and
 * could not leave that again.
 */
export function planBindOf(namespace: number, place: number): { plan: Plan; slots: Slots; mount: Slot } {
  const slots = new Slots();
  const [ns, at, mount] = [slots.give(namespace), slots.give(place), slots.take()];
  const steps: Step[] = [
    { op: 'setns', ns, type: 'mnt' },
    { op: 'clone_mount', out: mount, at, path: '', recursive: 0 },
    { op: 'give', slot: mount },
    { op: 'park' },
  ];
  return { plan: planOf({ stages: [{ flags: 0, steps }], returns: [mount] }), slots, mount };
}

function upperSteps(upper: OverlaySource['upper'], { tmpfs, changes, work }: Record<'tmpfs' | 'changes' | 'work', Slot>): Step[] {
  if (upper.type === 'folder') return [openFolder(changes, upper.upper), openFolder(work, upper.work)];
  const size = upper.type === 'tmpfs' && upper.size !== null ? [`size=${upper.size}`] : [];
  // the tmpfs is mounted over '/' of a namespace that nobody else is in, so no path leads to it
  const make: Step[] = [
    { op: 'filesystem', out: tmpfs, type: 'tmpfs', options: [...size, 'mode=755'], attributes: 0 },
    { op: 'attach_at', mount: tmpfs, at: NONE, path: '/' },
  ];
  // the kernel wants two layers where there is no upper, so there is an empty one at the bottom
  if (upper.type === 'none') return [...make, mkdir(changes, tmpfs, 'empty', { mode: 0o755, uid: 0, gid: 0 })];
  return [...make, mkdir(changes, tmpfs, 'upper', upper.root), mkdir(work, tmpfs, 'work', { mode: 0o700, uid: 0, gid: 0 })];
}

/** Steps that remove the record of what a plan makes; `null`: there is none, for it is to stay, whatever becomes of us. */
export type Forget = readonly Step[] | null;

/** The plan for something on the host. Its undo removes the thing; where that is to persist, `removal` does. */
export interface Held {
  readonly plan: Plan;
  readonly slots: Slots;
  readonly removal: readonly Step[];
}

/**
 * The plan that holds a mount where it is to be seen, as long as its task lives.
 *
 * The mount is known by its descriptor: what else is mounted on the target, before or later, is left alone.
 *
 * @param options.made folders that are made before and removed after, each in the one before
 */
export function planHold(fd: number, target: string, options: { readonly made: readonly string[]; readonly forget: Forget }): Held {
  const slots = new Slots();
  const mount = slots.give(fd);
  const remove = options.made.map((path): Step => ({ op: 'remove_folder', host: true, at: NONE, path, wait: 1 }));
  return held(options.forget, slots, {
    make: [...options.made.flatMap((path) => makeFolder(slots, path)), { op: 'attach_at', host: true, mount, at: NONE, path: target }],
    undo: [{ op: 'detach', host: true, at: mount, path: '.' }, ...remove.reverse()],
  });
}

/** The plan that holds a work folder of ours, as {@link planHold} does a mount. */
export function planWork(path: string, forget: Forget): Held {
  const slots = new Slots();
  return held(forget, slots, { make: makeFolder(slots, path), undo: [{ op: 'remove_tree', host: true, at: NONE, path }] });
}

function held(forget: Forget, slots: Slots, { make, undo }: { make: Step[]; undo: Step[] }): Held {
  if (forget === null) return { plan: planOf({ prepare: make }), slots, removal: undo };
  return { plan: planOf({ prepare: make, undo: [...undo, ...forget] }), slots, removal: [] };
}

function makeFolder(slots: Slots, path: string): Step[] {
  const root = slots.take();
  return [
    { op: 'open', host: true, out: root, at: NONE, path: '/', flags: O_PATH, mode: 0 },
    { ...mkdir(NONE, root, path, { mode: 0o700, uid: 0, gid: 0 }), host: true },
    { op: 'close', host: true, slot: root },
  ];
}

/** What the reading process is to do, and with what. */
export interface ReadRequest {
  readonly work: 'changes' | 'pack';
  /** The lower folders; `pack` needs them for `leaveOut` alone. */
  readonly lower: readonly string[];
  /** Where the overlay is mounted; `null`: nowhere in this mount namespace. */
  readonly target: string | null;
  readonly changes: number;
  readonly output: number;
  /** The overlay has its marks in user.overlay.*, and not in trusted.overlay.*, as those of ordinary users do. */
  readonly userxattr: boolean;
  /** Seconds since the epoch; `pack`: no later time is written. */
  readonly clampMtime?: number | undefined;
  /** Paths that do not count as changes. */
  readonly leaveOut?: LeaveOut;
}

/** Paths of what was made or written for others than the layer: relative to the overlay's root. Links in them are followed. */
export interface LeaveOut {
  /** Places that are mounted over. */
  readonly covered: readonly string[];
  /** Folders whose content is not the layer's. */
  readonly volumes: readonly string[];
  /** Places of the caller's mounts: what was made there to mount upon is left out while it is an empty file or folder. */
  readonly stubs: readonly string[];
}

/**
 * The plan of a process that reads an overlay's changes. What a container wrote is hostile: the process sees no network, no
 * other process and no file but the layers, and may do nothing but read.
 */
export function planRead({ work, lower, target, changes, output, userxattr, clampMtime, leaveOut }: ReadRequest): {
  plan: Plan;
  slots: Slots;
} {
  const slots = new Slots();
  const [upper, out] = [slots.give(changes), slots.give(output)];
  const folders = lower.map((path) => ({ slot: slots.take(), path }));
  const root = slots.take();
  const marks = `marks=${userxattr ? 'user' : 'trusted'}`;
  const options = [marks, ...(clampMtime === undefined ? [] : [`mtime=${clampMtime}`]), ...(leaveOut ? optionsOf(leaveOut) : [])];
  const stage = confinedStage({
    namespaces: CLONE.mnt | CLONE.pid | CLONE.net | CLONE.ipc | CLONE.uts | CLONE.cgroup,
    enter: [
      { op: 'set_propagation', path: '/', propagation: PROPAGATION.private },
      // an overlay may be mounted on its own lower folder: in this namespace, where nobody else is, it is detached, and the folder shows
      // again
      ...(target === null ? [] : [{ op: 'detach', at: NONE, path: target } as const]),
      ...folders.map(({ slot, path }) => openFolder(slot, path)),
      { op: 'filesystem', out: root, type: 'tmpfs', options: ['size=4096', 'mode=555'], attributes: MOUNT_ATTR.RDONLY },
      { op: 'attach_at', mount: root, at: NONE, path: '/' },
      { op: 'pivot', root, between: 0 },
    ],
    capabilities: READING,
    work: { op: work, upper, lower: folders.map(({ slot }) => slot), output: out, options },
    output: out,
  });
  return { plan: planOf({ stages: [stage] }), slots };
}

function optionsOf({ covered, volumes, stubs }: LeaveOut): string[] {
  return [...covered.map((path) => `exclude=${path}`), ...volumes.map((path) => `empty=${path}`), ...stubs.map((path) => `stub=${path}`)];
}

function openFolder(out: Slot, path: string): Step {
  return { op: 'open', out, at: NONE, path, flags: O_PATH | constants.O_DIRECTORY, mode: 0 };
}

function mkdir(out: Slot, root: Slot, path: string, ownership: Ownership): Extract<Step, { op: 'mkdir' }> {
  return { op: 'mkdir', out, root, path, ...ownership };
}
