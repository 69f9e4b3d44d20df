import { invalidOption } from '../../errors.js';
import { checkField } from '../../oci-config/checked-json.js';
import type { ParsedProfile } from './parsed-profile.js';
import { profileField } from './profile-field.js';

/**
 * linux.seccomp of config.json (config-linux.md, "Seccomp"). Fields that the spec does not have are passed over, as it says ("Extensibility"):
 * so docker's conditions are none here. Pure.
 *
 * @param seccomp with exact numbers
 * @throws NacelleError `ERR_INVALID_OPTION`, by the path of the field
 */
export function bundleProfile(seccomp: Readonly<Record<string, unknown>>): ParsedProfile {
  const checked = checkField(profileField, knownOf(seccomp));
  if (!('value' in checked)) {
    const [first] = checked.problems;
    throw invalidOption(`linux.seccomp.${first?.name ?? ''}`, first?.text ?? 'is wrong');
  }
  return checked.value;
}

/**
 * The profile of a filter that has a listener, which is asked of the calls of SCMP_ACT_NOTIFY. Pure.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` where that is the default: the listener is handed over by calls, too
 */
export function listenedProfile(seccomp: Readonly<Record<string, unknown>>, profile: ParsedProfile): ParsedProfile {
  if (seccomp.defaultAction === 'SCMP_ACT_NOTIFY')
    throw invalidOption('linux.seccomp.defaultAction', 'must not be SCMP_ACT_NOTIFY: the listener is handed over by calls, too');
  return { ...profile, groups: profile.groups.map((group) => (group.notifies ? { ...group, action: 'notify' } : group)) };
}

const PROFILE = ['defaultAction', 'defaultErrnoRet', 'architectures', 'flags', 'listenerPath', 'listenerMetadata', 'syscalls'];
const RULE = ['names', 'action', 'errnoRet', 'args'];
const ARGUMENT = ['index', 'value', 'valueTwo', 'op'];

/** The fields that the spec has. */
function knownOf(seccomp: Readonly<Record<string, unknown>>): unknown {
  return picked(seccomp, PROFILE, {
    syscalls: (rules) =>
      ofEach(rules, (rule) => picked(rule, RULE, { args: (all) => ofEach(all, (argument) => picked(argument, ARGUMENT)) })),
  });
}

type Change = (value: unknown) => unknown;

/** An object with these of its keys alone, of which some have their values changed; another value stays as it is. */
function picked(value: unknown, names: readonly string[], changes: Readonly<Record<string, Change>> = {}): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const known = Object.entries(value).filter(([name]) => names.includes(name));
  return Object.fromEntries(known.map(([name, part]) => [name, changes[name]?.(part) ?? part]));
}

function ofEach(value: unknown, change: Change): unknown {
  return Array.isArray(value) ? value.map(change) : value;
}
