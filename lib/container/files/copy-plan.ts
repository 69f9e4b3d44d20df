import { constants } from 'node:fs';
import { basename, dirname } from 'node:path/posix';
import { type CapabilityMask, capabilityMask } from '../../plan/capability-names.js';
import { confinedStage } from '../../plan/confined-worker.js';
import { CLONE, O_PATH, SIGKILL } from '../../plan/constants.js';
import { ANYWHERE, NONE, type Plan, planOf, Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { joinUsers } from '../../plan/userns-maps.js';
import { KEEP_GROUPS } from '../../process/program-steps.js';
import type { ParsedCopyFrom, ParsedCopyTo } from '../options/copy-options.js';
import { openMapped } from '../plan/userns-idmap.js';

/** Where a container's files are, and who its user is: descriptors. */
export interface Place {
  readonly mountNamespace: number;
  /** What the step `save_user` noted. */
  readonly user: number;
  /** Whether that user can't leave the groups of who starts the process. */
  readonly keepsGroups: boolean;
  /** A user namespace with the container's maps; `null` where its ids are the host's. */
  readonly users: number | null;
  /** What its root may do. */
  readonly capabilities: CapabilityMask;
}

/** A plan, and the slots with Node's descriptors. */
export interface CopyPlan {
  readonly plan: Plan;
  readonly slots: Slots;
}

/** As a mode, it means the source's mode; as an owner, the container's user. */
const BY_DEFAULT = 0xffff_ffff_ffff_ffffn;

/** What the root of a container needs to write what anybody owns. There is none by which a device could be made. */
const WRITING = capabilityMask('CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETFCAP');

const NAMESPACES = CLONE.net | CLONE.ipc | CLONE.uts;

/** By which of a container's capabilities its root reads what anybody owns. */
const READING = capabilityMask('DAC_OVERRIDE', 'DAC_READ_SEARCH');

/**
 * A process that packs a file or a tree of the container, with no right but those of the container's user. Links on the way are followed
 * below the container's root; the last name of the path is not followed. Pure.
 *
 * @param output a descriptor to which the tar goes
 */
export function planCopyFrom(place: Place, { path, contentOnly }: Omit<ParsedCopyFrom, 'maxBytes'>, output: number): CopyPlan {
  const { slots, root, user, enter } = entrance(place);
  const [top, to] = [slots.take(), slots.give(output)];
  const find: Step[] = contentOnly
    ? [{ op: 'open_in_root', out: top, root, path, flags: constants.O_RDONLY | constants.O_DIRECTORY }]
    : [
        // of a path that is not there, this one is told
        { op: 'open_in_root', out: NONE, root, path, flags: O_PATH | constants.O_NOFOLLOW },
        { op: 'open_in_root', out: top, root, path: dirname(path), flags: O_PATH | constants.O_DIRECTORY },
      ];
  const only = contentOnly ? [] : [`only=${basename(path)}`];
  const work = { op: 'pack', upper: top, lower: [], output: to, options: ['form=contents', ...only] } as const;
  const stage = confinedStage({ namespaces: NAMESPACES, enter, capabilities: place.capabilities & READING, user, find, work, output: to });
  return { plan: planOf({ stages: [stage] }), slots };
}

/**
 * A process that unpacks a tar in a folder of the container, as its root. It sees nothing above that folder, whatever links the tar has or
 * the container makes meanwhile. Pure.
 *
 * @param input a descriptor from which the tar comes
 */
export function planUnpackTo(place: Place, path: string, input: number): CopyPlan {
  const { slots, root, enter } = entrance(place);
  const [top, from] = [slots.take(), slots.give(input)];
  const find: Step[] = [{ op: 'open_in_root', out: top, root, path, flags: O_PATH | constants.O_DIRECTORY }];
  const work = { op: 'unpack', input: from, root: top, lower: [], options: ['whiteouts=none', 'devices=0'] } as const;
  const stage = confinedStage({ namespaces: NAMESPACES, enter, capabilities: WRITING, find, work, output: NONE });
  return { plan: planOf({ stages: [stage] }), slots };
}

/**
 * A process that writes a file or a tree of the caller's, as the container's root. Pure.
 *
 * @param isFolder the source is a folder
 */
export function planCopyTo(
  place: Place,
  { path, folderOnly, source, content, mode, uid, gid }: Extract<ParsedCopyTo, { type: 'file' }>,
  isFolder: boolean,
): CopyPlan {
  const { slots, root, user, users, enter } = entrance(place);
  const ids = { uid: uid ?? BY_DEFAULT, gid: gid ?? BY_DEFAULT };
  const from = slots.take();
  // the open must not wait, should the source be a FIFO by now
  const flags = constants.O_NONBLOCK | constants.O_NOCTTY | (folderOnly ? constants.O_DIRECTORY : 0);
  const open: Step[] = source === null ? [] : [{ op: 'open', out: from, at: NONE, path: source, flags, mode: 0 }];
  // in a user namespace the root reads what it owns there, so the host's root must be the owner of its files there too
  const mapped: Step[] = isFolder && users !== NONE && source !== null ? openMapped({ out: from, path: source, users }) : open;
  const write: Step =
    source === null
      ? { op: 'write_file', root, path, bytes: content ?? new Uint8Array(), mode: mode ?? 0o644, ...ids, ...ANYWHERE }
      : { op: 'copy_in', source: from, root, path, mode: mode ?? BY_DEFAULT, ...ids, ...ANYWHERE };
  const steps: Step[] = [
    { op: 'dumpable', value: 0 },
    ...mapped,
    ...enter,
    { op: 'no_new_privileges' },
    { op: 'bound_capabilities', bounding: WRITING },
    { op: 'restore_user', saved: user, apply: 0 },
    { op: 'capabilities', effective: WRITING, permitted: WRITING, inheritable: 0, ambient: 0 },
    { op: 'parent_death_signal', signal: SIGKILL },
    write,
    nothing(root),
  ];
  return { plan: planOf({ stages: [{ flags: 0, steps }] }), slots };
}

/**
 * A process that lets go of a mount namespace last. Whoever does waits until the mounts are gone, with all that is in them: that must be
 * neither Node nor the shim. Pure.
 */
export function planLetGo(place: Pick<Place, 'mountNamespace'>): CopyPlan {
  const slots = new Slots();
  const ns = slots.give(place.mountNamespace);
  const steps: Step[] = [{ op: 'parent_death_signal', signal: SIGKILL }, { op: 'close', host: true, slot: ns }, nothing(NONE)];
  return { plan: planOf({ stages: [{ flags: 0, steps }] }), slots };
}

/** The slots with the place in them, and the steps by which a process comes to see the container's files. */
function entrance({ mountNamespace, user, users, keepsGroups }: Place): {
  slots: Slots;
  root: Slot;
  user: Slot;
  users: Slot;
  enter: Step[];
} {
  const slots = new Slots();
  const [ns, saved, root] = [slots.give(mountNamespace), slots.give(user), slots.take()];
  const joined = users === null ? NONE : slots.give(users);
  const enter: Step[] = [
    { op: 'setns', ns, type: 'mnt' },
    ...joinUsers(joined),
    { op: 'open', out: root, at: NONE, path: '/', flags: O_PATH, mode: 0 },
    ...(keepsGroups ? [KEEP_GROUPS] : []),
  ];
  return { slots, root, user: saved, users: joined, enter };
}

/** A stage ends with work: with this one, there is no more to be done. */
function nothing(root: Slot): Step {
  return { op: 'copy_out', root, paths: [], to: NONE, max: 0 };
}
