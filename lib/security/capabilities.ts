import { invalidOption, UnsupportedError } from '../errors.js';
import { allCapabilities, type CapabilityMask, type CapabilityName, capabilityMask, capabilityNames } from '../plan/capability-names.js';
import { didYouMean } from './did-you-mean.js';

/**
 * The capabilities that a container has by default: docker's fourteen less NET_RAW (forged packets on a shared bridge), MKNOD (devices) and
 * AUDIT_WRITE (the host's audit log). podman's default is the same.
 */
export const defaultCapabilities: CapabilityMask = capabilityMask(
  ...(['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'NET_BIND_SERVICE'] as const),
  ...(['SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT'] as const),
);

function isCapability(name: string): name is CapabilityName {
  return (capabilityNames as readonly string[]).includes(name);
}

/** 'net_raw', 'CAP_NET_RAW' → 'NET_RAW'; 'all' → 'ALL'. */
function parseName(option: string, text: string): CapabilityName | 'ALL' {
  const name = text.toUpperCase().replace(/^CAP_/, '');
  if (name === 'ALL' || isCapability(name)) return name;
  throw invalidOption(option, `there is no capability ${JSON.stringify(text)}${didYouMean(name, capabilityNames)}`);
}

/** The names in a set, in the order of their numbers. */
export function namesOf(mask: CapabilityMask): CapabilityName[] {
  return capabilityNames.filter((_, number) => (mask >> BigInt(number)) & 1n);
}

/**
 * The capabilities of a container, with docker's rules: `capDrop` is taken from the default set, then `capAdd`
 * is put in; `capDrop: ['ALL']` leaves what `capAdd` names alone; `capAdd: ['ALL']` gives all that this process
 * holds, less what `capDrop` names.
 *
 * @param options.held What this process has itself (`heldCapabilities`): nothing more can be given.
 * @throws NacelleError ERR_INVALID_OPTION for an unknown name, with the nearest right one, and for ALL in both.
 * @throws UnsupportedError for a capability of the result that this process lacks.
 */
export function resolveCapabilities(options: {
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly held?: CapabilityMask;
}): CapabilityMask {
  const add = (options.capAdd ?? []).map((name) => parseName('capAdd', name));
  const drop = (options.capDrop ?? []).map((name) => parseName('capDrop', name));
  const held = options.held ?? allCapabilities;
  const named = (list: typeof add) => capabilityMask(...list.filter((name) => name !== 'ALL'));
  if (add.includes('ALL') && drop.includes('ALL')) throw invalidOption('capAdd', 'ALL is in capDrop as well');
  if (add.includes('ALL')) return held & ~named(drop);

  const mask = (drop.includes('ALL') ? 0n : defaultCapabilities & ~named(drop)) | named(add);
  const [missing] = namesOf(mask & ~held);
  if (missing) {
    const fix = `Put it in capDrop, or give it to the process that runs Node`;
    throw new UnsupportedError(`capability ${missing}`, 'this process does not have it itself', fix);
  }
  return mask;
}

/**
 * The capabilities that a process may give to a container, from its /proc/PID/status: a capability must be permitted, to be used, and in
 * the bounding set, to outlive execve.
 */
export function heldCapabilities(status: string): CapabilityMask {
  const set = (field: string) => BigInt(`0x${new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`);
  return set('CapPrm') & set('CapBnd') & allCapabilities;
}
