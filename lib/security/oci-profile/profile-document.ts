import { type CapabilityMask, capabilityMask } from '../../plan/capability-names.js';
import { returnValue } from '../actions.js';
import { defaultProfile } from '../default-profile.js';
import { type Architecture, doorsOf } from '../filter.js';
import type { Action, ArgumentTest, Rule } from '../profile.js';
import { applicableGroups, type ProfileSubject } from './applicable-groups.js';
import { doorNames, filterFlags } from './field-names.js';
import type { ParsedArgument, ParsedProfile } from './parsed-profile.js';
import type { SeccompAction, SeccompArgument, SeccompProfile, SeccompRule } from './profile-types.js';
import { type Leaf, leavesOf } from './rule-leaves.js';

/**
 * nacelle's own filter, for a container with these capabilities, as `linux.seccomp` of the OCI runtime spec. There a rule without conditions decides
 * alone, and what is left of others is no list in order: so a call that is allowed but for some values of an argument becomes rules for all the other
 * values, of which no two hold together. libseccomp, and so runc, allows i386's socketcall(2) to make any socket where socket(2) may make some. Pure.
 */
export function defaultDocument({
  arch,
  capabilities,
}: {
  readonly arch: Architecture;
  readonly capabilities: CapabilityMask;
}): SeccompProfile {
  const { defaultAction, rules } = defaultProfile;
  const has = (names: Rule['when'] = []): boolean => (capabilities & capabilityMask(...names)) !== 0n;
  const applied = rules.filter(({ when, unless }) => (when === undefined || has(when)) && !has(unless));
  const byLeaf = new Map<string, { readonly leaf: Leaf; readonly names: Set<string> }>();
  for (const name of new Set(applied.flatMap(({ names }) => names))) {
    for (const leaf of leavesOf(applied.filter(({ names }) => names.includes(name)))) {
      if (returnValue(leaf.action) === returnValue(defaultAction)) continue;
      const key = JSON.stringify(leaf);
      const same = byLeaf.get(key) ?? { leaf, names: new Set() };
      byLeaf.set(key, { leaf, names: same.names.add(name) });
    }
  }
  return {
    ...defaultOf(defaultAction),
    architectures: doorsOf[arch].map((door) => doorNames[door]),
    syscalls: [...byLeaf.values()].map(({ leaf: { action, test }, names }) =>
      ruleOf([...names].sort(), action, test === null ? [] : [test]),
    ),
  };
}

/** A profile as it holds for this container, in the words of the OCI runtime spec, which has none for docker's conditions. Pure. */
export function profileDocument(profile: ParsedProfile, subject: ProfileSubject): SeccompProfile {
  const { defaultAction, groups, architectures, archMap, flags } = profile;
  const own = doorNames[doorsOf[subject.arch][0] ?? subject.arch];
  const named = architectures.length > 0 ? architectures : [own, ...(archMap[own] ?? [])];
  const set = Object.entries(filterFlags).flatMap(([name, bit]) => (bit !== 0 && (flags & bit) !== 0 ? [name] : []));
  return {
    ...defaultOf(defaultAction),
    architectures: [...new Set(named)],
    ...(set.length > 0 ? { flags: set } : {}),
    syscalls: applicableGroups(groups, subject).map(({ names, action, args }) => ruleOf(names, action, args)),
  };
}

function ruleOf(names: readonly string[], action: Action, args: readonly (ParsedArgument | ArgumentTest)[]): SeccompRule {
  const { name, number } = namedAction(action);
  return {
    names: [...names],
    action: name,
    ...(number === null ? {} : { errnoRet: number }),
    ...(args.length === 0 ? {} : { args: args.map(argumentOf) }),
  };
}

function defaultOf(action: Action): Pick<SeccompProfile, 'defaultAction' | 'defaultErrnoRet'> {
  const { name, number } = namedAction(action);
  return { defaultAction: name, ...(number === null ? {} : { defaultErrnoRet: number }) };
}

function argumentOf({ index, op, value, mask = 0n }: ParsedArgument | ArgumentTest): SeccompArgument {
  const whole = plainNumber(value);
  if (op !== 'MASKED_EQ') return { index, value: whole, op: `SCMP_CMP_${op}` };
  return { index, value: plainNumber(mask), valueTwo: whole, op: 'SCMP_CMP_MASKED_EQ' };
}

/** Only what a number can't hold exactly is a bigint. */
function plainNumber(value: number | bigint): number | bigint {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

const plainActions: Readonly<Record<Extract<Action, string>, SeccompAction>> = {
  allow: 'SCMP_ACT_ALLOW',
  log: 'SCMP_ACT_LOG',
  notify: 'SCMP_ACT_NOTIFY',
  trap: 'SCMP_ACT_TRAP',
  'kill-thread': 'SCMP_ACT_KILL_THREAD',
  'kill-process': 'SCMP_ACT_KILL_PROCESS',
};

function namedAction(action: Action): { readonly name: SeccompAction; readonly number: number | null } {
  if (typeof action === 'string') return { name: plainActions[action], number: null };
  if ('errno' in action) return { name: 'SCMP_ACT_ERRNO', number: action.errno };
  return { name: 'SCMP_ACT_TRACE', number: action.trace };
}
