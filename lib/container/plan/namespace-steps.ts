import { encodeTimeOffsets } from '../../namespace/namespace-plan.js';
import { CLONE } from '../../plan/constants.js';
import { type NamespaceType, namespaceTypes } from '../../plan/namespace-types.js';
import { NONE, type Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { mapSteps } from '../../plan/user-maps.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { UserNamespacePlan } from './userns.js';

export interface NamespacePlan {
  /** CLONE_NEW* that the container's process is cloned with. */
  readonly flags: number;
  /** The first steps of the container's process: in a user namespace of its own it has no ids before. */
  readonly maps: readonly Step[];
  /** Steps by which a process before the container's joins the user namespace that all the others are to belong to. */
  readonly enterUsers: readonly Step[];
  /** Steps for the clocks of a process before the container's: they hold for its children alone (time_namespaces(7)). */
  readonly clocks: readonly Step[];
  /** Steps for a pid namespace that is joined: only children are in it (pid_namespaces(7)), and processes there can look at each one that enters. */
  readonly enterPid: readonly Step[];
  /** Steps by which the container's process joins namespaces. */
  readonly join: readonly Step[];
  /** Steps for a new cgroup namespace, after the groups were joined: these become its root. */
  readonly cgroup: readonly Step[];
  /** Steps for the mount namespace, which starts as a copy of the host's mounts at that moment. */
  readonly mounts: readonly Step[];
  /** The user namespace that is given; NONE where none is. */
  readonly users: Slot;
  /** One with its maps turned round; NONE where it is not needed. */
  readonly back: Slot;
}

export function planNamespaces({ namespaces, timeOffsets }: ParsedOptions, userns: UserNamespacePlan, slots: Slots): NamespacePlan {
  const isOwn = userns.kind === 'identity';
  // whether groups can be left is as it was before: the namespace above is asked for that
  const maps = isOwn ? mapSteps(userns.uid, userns.gid) : [];
  let flags = isOwn ? CLONE.user : 0;
  const [clocks, enterPid]: [Step[], Step[]] = [[], []];
  const join: Step[] = [];
  const cgroup: Step[] = [];
  const mounts: Step[] = [];
  for (const type of namespaceTypes) {
    const wanted = namespaces[type];
    // what becomes of it is said by `userns`
    if (wanted === 'host' || type === 'user') continue;
    if (wanted !== 'new') {
      const step: Step = { op: 'setns', ns: slots.give(wanted.fd), type };
      (type === 'pid' ? enterPid : type === 'time' ? clocks : join).push(step);
    } else if (type === 'time') {
      clocks.push({ op: 'unshare', flags: CLONE.time });
      if (timeOffsets) clocks.push({ op: 'write_process', host: true, path: 'timens_offsets', bytes: encodeTimeOffsets(timeOffsets) });
    } else if (type === 'cgroup') {
      cgroup.push({ op: 'unshare', flags: CLONE.cgroup });
    } else if (type === 'mnt') {
      mounts.push({ op: 'unshare', flags: CLONE.mnt });
    } else {
      flags |= CLONE[type];
    }
  }
  const given = userns.kind === 'given' ? userns : { fd: null, back: null };
  const slotOf = (fd: number | null): Slot => (fd === null ? NONE : slots.give(fd));
  const [users, back] = [slotOf(given.fd), slotOf(given.back)];
  return { flags, maps, enterUsers: enterUsers(userns, slots), clocks, enterPid, join, cgroup, mounts, users, back };
}

function enterUsers(userns: UserNamespacePlan, slots: Slots): Step[] {
  if (userns.kind !== 'kept' && userns.kind !== 'joined') return [];
  // processes that live there have every right over those in it which are dumpable, as the change of rights may have made this one
  return [
    { op: 'setns', ns: userns.kind === 'kept' ? userns.users : slots.give(userns.fd), type: 'user' },
    { op: 'dumpable', value: 0 },
  ];
}

export function isNew({ namespaces }: ParsedOptions, type: NamespaceType): boolean {
  return namespaces[type] === 'new';
}

/** What a process joins that is to be where the container's processes are: CLONE_NEW* of the namespaces that are not the host's. */
export function namespacesToJoin({ namespaces }: ParsedOptions, userns: UserNamespacePlan): { flags: number; entersPid: boolean } {
  const types = namespaceTypes.filter((type) => namespaces[type] !== 'host' || (type === 'user' && userns.kind !== 'none'));
  return { flags: types.reduce((flags, type) => flags | CLONE[type], 0), entersPid: types.includes('pid') };
}
