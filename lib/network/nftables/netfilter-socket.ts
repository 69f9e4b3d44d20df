import { NacelleError } from '../../errors.js';
import { during } from '../../native/host-work.js';
import type { Task } from '../../native/task.js';
import { NETLINK_NETFILTER } from '../../plan/constants.js';
import { NONE, planOf, Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';

/** A network namespace; without one, that which the shim is in, which is Node's own. */
export interface Where {
  readonly namespace?: { readonly fd: number };
}

/** Does some work with a netlink socket for netfilter. */
export function withNetfilter<T>({ namespace }: Where, work: (task: Task, socket: Slot) => Promise<T>): Promise<T> {
  const slots = new Slots();
  const ns = namespace ? slots.give(namespace.fd) : NONE;
  const socket = slots.take();
  const plan = planOf({ prepare: [{ op: 'netlink_socket', host: true, out: socket, ns, protocol: NETLINK_NETFILTER }] });
  return during(plan, slots.descriptors, (task) => work(task, socket));
}

/** Sends one request. @returns the messages that the kernel answers with */
export function ask(task: Task, socket: Slot, what: string, message: Uint8Array): Promise<Uint8Array> {
  return answerTo(task, { op: 'netlink', host: true, socket, what, message, patch: NONE, patch_offset: 0 });
}

/** As {@link ask}, by a step of its own. */
export async function answerTo(task: Task, step: Extract<Step, { readonly what: string }>): Promise<Uint8Array> {
  const [output] = (await task.call([step])).outputs;
  if (!output) throw new NacelleError(`${step.what}: the kernel has not answered`, { code: 'ERR_NETLINK' });
  return output;
}
