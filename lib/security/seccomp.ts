import { invalidOption } from '../errors.js';
import { type CapabilityMask, capabilityMask } from '../plan/capability-names.js';
import { kills } from './actions.js';
import { defaultProfile } from './default-profile.js';
import { didYouMean } from './did-you-mean.js';
import { type Architecture, compileFilter, doorsOf } from './filter.js';
import type { Profile, Rule } from './profile.js';
import { readyFilters } from './ready-filters.js';
import { type Abi, syscallTable } from './syscalls/tables.js';

const abis: readonly Abi[] = ['x86_64', 'i386', 'arm64'];

/** For whom a filter is: what the machine's processor is, and what the container may. */
interface Subject {
  readonly arch: Architecture;
  readonly capabilities: CapabilityMask;
}

/** Whether a filter of this profile ever kills: by its actions, or for a call of an ABI of the machine that has no table. */
export function canKill({ defaultAction, newerAction = defaultAction, rules }: Profile, arch: Architecture): boolean {
  return arch === 'arm64' || [defaultAction, newerAction, ...rules.map(({ action }) => action)].some(kills);
}

/**
 * Compiles a profile of our own, which holds for all ABIs of the machine alike.
 *
 * @throws NacelleError ERR_INVALID_OPTION for a call that no architecture has, with the nearest right name.
 */
export function compileProfile(profile: Profile, { arch, capabilities }: Subject): Uint8Array {
  const has = (names: Rule['when'] = []) => (capabilities & capabilityMask(...names)) !== 0n;
  const rules = profile.rules.filter(({ when, unless }) => (when === undefined || has(when)) && !has(unless));
  for (const name of profile.rules.flatMap((rule) => rule.names)) checkName(name);
  const applied = { ...profile, rules };
  return compileFilter(Object.fromEntries(doorsOf[arch].map((door) => [door, applied])));
}

const relevant = capabilityMask(...defaultProfile.rules.flatMap(({ when = [], unless = [] }) => [...when, ...unless]));

/** The architecture, and those of the capabilities that change the default filter. */
export const filterKey = ({ arch, capabilities }: Subject): string => `${arch} ${capabilities & relevant}`;

/** Default filters that were used, by their keys. */
const used = new Map<string, Uint8Array>();

/** The filter of `seccomp: 'default'`, for a container with these capabilities. Made once; not to be changed. */
export function compileDefault(subject: Subject): Uint8Array {
  const key = filterKey(subject);
  const found = used.get(key);
  if (found) return found;
  const ready = readyFilters.get(key);
  const filter = ready === undefined ? compileProfile(defaultProfile, subject) : Uint8Array.from(Buffer.from(ready, 'base64'));
  used.set(key, filter);
  return filter;
}

/** A name that one ABI lacks is fine, a name that all lack is a mistake: its rule would never hold. */
function checkName(name: string): void {
  if (abis.some((abi) => syscallTable(abi).has(name))) return;
  const known = abis.flatMap((abi) => [...syscallTable(abi).keys()]);
  throw invalidOption('seccomp', `there is no system call ${JSON.stringify(name)}${didYouMean(name, known)}`);
}
