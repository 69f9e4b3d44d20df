import { hasCode, UnsupportedError } from '../../errors.js';
import { containerShim } from '../../host/container-shim.js';
import { privilege } from '../../host/privilege.js';
import { carryOut } from '../../native/host-work.js';
import { capabilityMask } from '../../plan/capability-names.js';
import { CLONE, PROPAGATION } from '../../plan/constants.js';
import { cloneStep, NONE, planOf, Slots } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Step } from '../../plan/steps.js';

const { RDONLY, NOSUID, NODEV, NOEXEC } = MOUNT_ATTR;
const QUIET = NOSUID | NODEV | NOEXEC;

let answer: boolean | undefined;

/**
 * A descriptor of /proc as it is in a pid namespace, which the caller closes; `null` where a plan can make that /proc from outside
 * (fsconfig(2), `pidns`, Linux 6.17). Before that it takes a process in the namespace, where others may look into it and, with
 * CAP_SYS_PTRACE, do what it may do: so it has an empty root, nothing open, and CAP_SYS_ADMIN alone.
 *
 * @throws SyscallError; UnsupportedError for an ordinary user before Linux 6.17
 */
export async function joinedProc(namespace: number): Promise<number | null> {
  if (await takesNamespace()) return null;
  if (privilege().kind === 'user') {
    const reason = "a user's process mounts a /proc only where it sees another, and this would be all of the host to those whom it joins";
    throw new UnsupportedError('a pid namespace that is joined', reason, 'Use Linux 6.17 or later, or run it as root.');
  }
  const slots = new Slots();
  const [pid, root, proc] = [slots.give(namespace), slots.take(), slots.take()];
  const mount = capabilityMask('SYS_ADMIN');
  const inside: Step[] = [{ op: 'proc', out: proc, pidns: NONE, attributes: QUIET }, { op: 'give', slot: proc }, { op: 'park' }];
  const outside: Step[] = [
    { op: 'dumpable', value: 0 },
    { op: 'setns', ns: pid, type: 'pid' },
    { op: 'set_propagation', path: '/', propagation: PROPAGATION.private },
    { op: 'filesystem', out: root, type: 'tmpfs', options: ['size=0', 'mode=555'], attributes: RDONLY | QUIET },
    { op: 'attach_at', mount: root, at: NONE, path: '/' },
    { op: 'pivot', root, between: 0 },
    { op: 'no_new_privileges' },
    { op: 'bound_capabilities', bounding: mount },
    { op: 'capabilities', effective: mount, permitted: mount, inheritable: 0, ambient: 0 },
  ];
  const stages = [
    { flags: CLONE.mnt, steps: [...outside, cloneStep(1, inside)] },
    { flags: 0, steps: inside },
  ];
  const { descriptors } = await carryOut(planOf({ stages, returns: [proc] }), slots.descriptors);
  return descriptors.get(proc) ?? null;
}

/** Whether the kernel takes a pid namespace for /proc. It is tried with a new namespace until there is an answer. */
async function takesNamespace(): Promise<boolean> {
  if (answer !== undefined) return answer;
  const slots = new Slots();
  const [pidns, out] = [slots.take(), slots.take()];
  const steps: Step[] = [
    { op: 'open_namespace', host: true, out: pidns, type: 'pid' },
    { op: 'proc', out, pidns, attributes: QUIET },
    { op: 'park' },
  ];
  try {
    await carryOut(planOf({ stages: [{ flags: CLONE.mnt | CLONE.pid, steps }] }), new Map(), await containerShim());
    answer = true;
  } catch (error) {
    // EINVAL: the kernel knows no such option
    if (!hasCode(error, 'EINVAL')) throw error;
    answer = false;
  }
  return answer;
}
