import { NacelleError, SyscallError, UnsupportedError } from '../errors.js';
import { carryOut } from '../native/host-work.js';
import { closeDescriptor } from '../native/load-addon.js';
import type { Shim } from '../native/shim.js';
import { CLONE } from '../plan/constants.js';
import { NONE, planOf, Slots } from '../plan/plan.js';
import { mapSteps } from '../plan/user-maps.js';
import type { UserMaps } from '../plan/userns-maps.js';

/**
 * Makes a user namespace that nobody is in.
 *
 * @param options.on below whose own it is. Default: this process's own shim
 * @param options.counts what its users may have of each kind, by the names in /proc/sys/user; else what the machine allows its owner
 * @returns its descriptor, which the caller closes
 * @throws SyscallError; UnsupportedError where `counts` can't be set
 */
export async function makeUserNamespace(
  { uid, gid }: UserMaps,
  { on, counts = {} }: { readonly on?: Shim; readonly counts?: Readonly<Record<string, number>> } = {},
): Promise<number> {
  const slots = new Slots();
  const out = slots.take();
  const limits = Object.entries(counts).map(([name, most]) => {
    return { op: 'put', at: NONE, path: `/proc/sys/user/${name}`, bytes: Buffer.from(String(most)) } as const;
  });
  const steps = [
    ...mapSteps(uid, gid),
    ...limits,
    { op: 'open_namespace', host: true, out, type: 'user' } as const,
    { op: 'park' } as const,
  ];
  const plan = planOf({ stages: [{ flags: CLONE.user, steps }], returns: [out] });
  const { descriptors } = await carryOut(plan, new Map(), on).catch((error: unknown) => {
    throw limits.length > 0 && isStepOf(error, 'put') ? noCounts(error) : error;
  });
  const fd = descriptors.get(out);
  if (fd === undefined) throw new NacelleError('the shim gave no user namespace back', { code: 'ERR_INTERNAL' });
  return fd;
}

function isStepOf(error: unknown, step: string): error is SyscallError {
  return error instanceof SyscallError && error.step === step;
}

function noCounts({ code }: SyscallError): UnsupportedError {
  const fix = 'Let /proc/sys/user be writable, as docker has it with --security-opt systempaths=unconfined.';
  return new UnsupportedError('limits in /proc/sys/user', `they can't be written to (${code})`, fix);
}

/**
 * Does some work with a user namespace of these maps, whose descriptor is open as long. Whoever is in it has the rights over files that one in
 * any other namespace with the same maps has, and those in the other can't look at it.
 *
 * @param maps `null`: the work needs none
 */
export async function withUserNamespace<T>(maps: UserMaps | null, work: (users: number | null) => Promise<T>): Promise<T> {
  if (maps === null) return work(null);
  const users = await makeUserNamespace(maps);
  try {
    return await work(users);
  } finally {
    closeDescriptor(users);
  }
}
