import { NacelleError } from '../errors.js';
import { carryOut } from '../native/host-work.js';
import { CLONE } from '../plan/constants.js';
import { cloneStep, planOf, Slots } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';

/**
 * Makes a network namespace that nobody is in, whose loopback is up.
 *
 * @param users the user namespace that is to own it, by a descriptor; `null`: this process's own
 * @returns its descriptor, which the caller closes
 * @throws SyscallError
 */
export async function makeNetworkNamespace(users: number | null): Promise<number> {
  const slots = new Slots();
  const out = slots.take();
  const steps: Step[] = [{ op: 'link_up', name: 'lo' }, { op: 'open_namespace', host: true, out, type: 'net' }, { op: 'park' }];
  const made = { flags: CLONE.net, steps };
  const stages = users === null ? [made] : [{ flags: 0, steps: enter(slots.give(users), steps) }, made];
  const { descriptors } = await carryOut(planOf({ stages, returns: [out] }), slots.descriptors);
  const fd = descriptors.get(out);
  if (fd === undefined) throw new NacelleError('the shim gave no network namespace back', { code: 'ERR_INTERNAL' });
  return fd;
}

/** What a process makes from now on belongs to that user namespace; others who live there can't look at the process. */
function enter(ns: number, next: readonly Step[]): Step[] {
  return [{ op: 'setns', ns, type: 'user' }, { op: 'dumpable', value: 0 }, cloneStep(1, next)];
}
