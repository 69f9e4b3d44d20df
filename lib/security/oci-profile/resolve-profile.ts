import { allows, precedence, returnValue } from '../actions.js';
import { type Architecture, type Door, doorsOf } from '../filter.js';
import type { Action, ArgumentTest, Profile, Rule } from '../profile.js';
import { applicableGroups, type ProfileSubject } from './applicable-groups.js';
import { isKnownCall } from './call-names.js';
import { doorNames } from './field-names.js';
import { multiplexed } from './multiplexed-calls.js';
import type { ParsedArgument, ParsedGroup, ParsedProfile } from './parsed-profile.js';

const ENOSYS = 38;
const all64 = 2n ** 64n - 1n;
const low32 = 2n ** 32n - 1n;

/** A rule about one call: its tests must all hold. */
interface CallRule {
  readonly name: string;
  readonly action: Action;
  readonly args: readonly ArgumentTest[];
}

/** What a profile says on this machine, for each ABI by which calls may be made. */
export interface ResolvedProfile {
  readonly profiles: Readonly<Partial<Record<Door, Profile>>>;
  /** Names of the profile that no kernel has, as far as is known here. Their rules hold for nothing. */
  readonly unknownCalls: readonly string[];
}

/** Resolves a profile for a container, with the rules of libseccomp and runc. Pure. */
export function resolveProfile(profile: ParsedProfile, subject: ProfileSubject): ResolvedProfile {
  const groups = applicableGroups(profile.groups, subject);
  const names = new Set(groups.flatMap((group) => group.names));
  return {
    profiles: Object.fromEntries(
      doorsFor(profile, subject.arch).map((door) => [
        door,
        {
          defaultAction: profile.defaultAction,
          newerAction: allows(profile.defaultAction) ? profile.defaultAction : { errno: ENOSYS },
          rules: [
            ...decide(groups.flatMap((group) => callRules(group, profile.defaultAction, door))),
            naming(names, profile.defaultAction),
          ],
        },
      ]),
    ),
    unknownCalls: [...names].filter((name) => !isKnownCall(name)),
  };
}

/** The machine's own ABI, and those of its others that the profile names. */
function doorsFor({ architectures, archMap }: ParsedProfile, arch: Architecture): Door[] {
  const [native, ...others] = doorsOf[arch];
  if (native === undefined) return [];
  const named = [...architectures, ...(archMap[doorNames[native]] ?? [])];
  return [native, ...others.filter((door) => named.includes(doorNames[door]))];
}

/** Which calls the profile knows of, for the newest of them: also those of rules that say no more than the default. */
function naming(names: ReadonlySet<string>, action: Action): Rule {
  return { names: [...names], action };
}

/** A rule of the profile as rules about one call each, with what each ABI makes of them. */
function callRules({ names, action, args }: ParsedGroup, defaultAction: Action, door: Door): CallRule[] {
  // runc passes them over, since libseccomp refuses them: they would say nothing.
  if (returnValue(action) === returnValue(defaultAction)) return [];
  const isRepeated = new Set(args.map(({ index }) => index)).size < args.length;
  const alternatives = isRepeated ? args.map((one) => [one]) : [args];
  return alternatives.flatMap((args) => {
    const tests = args.map((test) => narrow(test, door)).filter(({ mask }) => mask !== 0n);
    return names.flatMap((name): CallRule[] => [
      { name, action, args: tests },
      ...(door === 'i386' ? multiplexedRule(name, { action, args: tests }, defaultAction) : []),
    ]);
  });
}

/** ABIs of 32 bits have no high halves, x32 for libseccomp included: it compares the low ones of what the profile says. */
function narrow({ index, op, value, mask }: ParsedArgument, door: Door): ArgumentTest {
  const bits = door === 'i386' || door === 'x32' ? 32 : 64;
  const kept = bits === 32 ? low32 : all64;
  return { index, op, value: value & kept, mask: mask & kept, bits };
}

/**
 * The same for the older call through which i386 makes this one. Its arguments are in memory, where a filter can't look: a rule that looks at
 * them refuses there all that it refuses anywhere, as libseccomp has it, but, unlike there, allows nothing.
 */
function multiplexedRule(name: string, { action, args }: Omit<CallRule, 'name'>, defaultAction: Action): CallRule[] {
  const old = multiplexed.get(name);
  if (!old || (args.length > 0 && precedence(action) > precedence(defaultAction))) return [];
  return [{ name: old.by, action, args: [{ index: 0, op: 'EQ', value: BigInt(old.number), bits: 32 }] }];
}

/**
 * Puts the rules of each call in the order in which the first that holds is right. One without tests decides alone, the first one, as in
 * libseccomp. Of those with tests the strictest comes first: where their order would matter libseccomp has one of its own, or refuses them.
 */
function decide(rules: readonly CallRule[]): Rule[] {
  const byName = new Map<string, CallRule[]>();
  for (const rule of rules) {
    const same = byName.get(rule.name);
    if (same) same.push(rule);
    else byName.set(rule.name, [rule]);
  }
  return [...byName].flatMap(([name, all]) => {
    const plain = all.find(({ args }) => args.length === 0);
    const ordered = plain ? [plain] : all.toSorted((a, b) => precedence(a.action) - precedence(b.action));
    return ordered.map(({ action, args }): Rule => ({ names: [name], action, args }));
  });
}
