import { invalidOption } from '../errors.js';
import { type CapabilityMask, capabilityMask } from '../plan/capability-names.js';
import { kills } from './actions.js';
import { defaultProfile } from './default-profile.js';
import { didYouMean } from './did-you-mean.js';
import { type Architecture, compileFilter, doorsOf } from './filter.js';
import type { Profile, Rule } from './profile.js';
import { type Abi, syscallTable } from './syscalls/tables.js';

const abis: readonly Abi[] = ['x86_64', 'i386', 'arm64'];

/** Whether a filter of this profile ever kills: by its actions, or for a call of an ABI of the machine that has no table. */
export function canKill({ defaultAction, newerAction = defaultAction, rules }: Profile, arch: Architecture): boolean {
  return arch === 'arm64' || [defaultAction, newerAction, ...rules.map(({ action }) => action)].some(kills);
}

/**
 * Compiles a profile of our own, which holds for all ABIs of the machine alike.
 *
 * @throws NacelleError ERR_INVALID_OPTION for a call that no architecture has, with the nearest right name.
 */
export function compileProfile(
  profile: Profile,
  { arch, capabilities }: { readonly arch: Architecture; readonly capabilities: CapabilityMask },
): Uint8Array {
  const has = (names: Rule['when'] = []) => (capabilities & capabilityMask(...names)) !== 0n;
  const rules = profile.rules.filter(({ when, unless }) => (when === undefined || has(when)) && !has(unless));
  for (const name of profile.rules.flatMap((rule) => rule.names)) checkName(name);
  const applied = { ...profile, rules };
  return compileFilter(Object.fromEntries(doorsOf[arch].map((door) => [door, applied])));
}

/** Filters that were compiled, by architecture and by the capabilities that change them. */
const compiled = new Map<string, Uint8Array>();
const relevant = capabilityMask(...defaultProfile.rules.flatMap(({ when = [], unless = [] }) => [...when, ...unless]));

/** The filter of `seccomp: 'default'`, for a container with these capabilities. Compiled once; not to be changed. */
export function compileDefault(options: { readonly arch: Architecture; readonly capabilities: CapabilityMask }): Uint8Array {
  const key = `${options.arch} ${options.capabilities & relevant}`;
  let filter = compiled.get(key);
  if (!filter) {
    filter = compileProfile(defaultProfile, options);
    compiled.set(key, filter);
  }
  return filter;
}

/** A name that one ABI lacks is fine, a name that all lack is a mistake: its rule would never hold. */
function checkName(name: string): void {
  if (abis.some((abi) => syscallTable(abi).has(name))) return;
  const known = abis.flatMap((abi) => [...syscallTable(abi).keys()]);
  throw invalidOption('seccomp', `there is no system call ${JSON.stringify(name)}${didYouMean(name, known)}`);
}
