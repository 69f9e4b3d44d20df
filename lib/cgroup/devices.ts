import { UnsupportedError } from '../errors.js';
import type { ParsedDeviceRule } from '../plan/limits.js';
import type { Write } from './write.js';

/** Without a number: any. */
interface Devices {
  readonly type: 'b' | 'c';
  readonly major: number | undefined;
  readonly minor: number | undefined;
}

interface Exception extends Devices {
  readonly access: string;
}

const ALL = 'rwm';

/**
 * Rules for the v1 device controller. It keeps one default and a set of exceptions from it, without order; ours are an
 * ordered list in which, for each letter, the last that fits decides.
 *
 * @param reset the group has rules of its own to be replaced; a new one has its parent's
 * @throws UnsupportedError for an exception from an exception, which v1 can't keep
 */
export function deviceWrites(rules: readonly ParsedDeviceRule[], { reset = false } = {}): readonly Write[] {
  if (rules.length === 0 && !reset) return [];
  const known = reset ? undefined : writesOf.get(rules);
  if (known) return known;
  const writes = newWrites(rules, reset);
  if (!reset) writesOf.set(rules, writes);
  return writes;
}

/** Most containers have the default rules, which are one list. */
const writesOf = new WeakMap<readonly ParsedDeviceRule[], readonly Write[]>();

function newWrites(rules: readonly ParsedDeviceRule[], reset: boolean): Write[] {
  const { allows, exceptions, explicit } = flatten(rules);
  const write = (allow: boolean, value: string): Write => ({
    controller: 'devices',
    file: allow ? 'devices.allow' : 'devices.deny',
    value,
  });
  return [
    ...(explicit || reset ? [write(allows, 'a')] : []),
    ...(allows ? exceptions : closed(exceptions)).map((exception) => write(!allows, textOf(exception))),
  ];
}

function textOf({ type, major, minor, access }: Exception): string {
  return `${type} ${major ?? '*'}:${minor ?? '*'} ${access}`;
}

/** Everything before a rule about all devices and all access is void. */
export function effectiveRules(rules: readonly ParsedDeviceRule[]): {
  allows: boolean;
  explicit: boolean;
  rules: readonly ParsedDeviceRule[];
} {
  const last = rules.findLastIndex(({ type, access }) => type === 'a' && access.length === ALL.length);
  const allows = rules[last]?.allow ?? true;
  return { allows, explicit: last >= 0, rules: rules.slice(last + 1) };
}

function flatten(all: readonly ParsedDeviceRule[]): { allows: boolean; explicit: boolean; exceptions: Exception[] } {
  const { allows, explicit, rules } = effectiveRules(all);
  let exceptions: Exception[] = [];
  for (const rule of rules) {
    for (const type of rule.type === 'a' ? (['b', 'c'] as const) : [rule.type]) {
      const exception = { type, major: rule.major, minor: rule.minor, access: rule.access };
      exceptions = rule.allow === allows ? without(exceptions, exception) : withOne(exceptions, exception);
    }
  }
  return { allows, explicit, exceptions };
}

function withOne(exceptions: readonly Exception[], added: Exception): Exception[] {
  const same = exceptions.find((exception) => covers(exception, added) && covers(added, exception));
  const others = exceptions.filter((exception) => exception !== same);
  return [...others, { ...added, access: joined(added.access, same?.access ?? '') }];
}

function without(exceptions: readonly Exception[], removed: Exception): Exception[] {
  return exceptions.flatMap((exception): Exception[] => {
    const rest = [...exception.access].filter((letter) => !removed.access.includes(letter)).join('');
    if (rest === exception.access || !intersection(exception, removed)) return [exception];
    if (!covers(removed, exception))
      throw new UnsupportedError(
        'limit deviceRules',
        `the device controller of cgroup v1 can't except ${textOf(removed)} from ${textOf(exception)}`,
        'Name the devices one by one.',
      );
    return rest === '' ? [] : [{ ...exception, access: rest }];
  });
}

/**
 * The kernel wants one exception that has every letter of an access (reading and writing at once), ours may be spread
 * over several that fit: so what two have in common gets an exception with the letters of both.
 */
function closed(exceptions: readonly Exception[]): Exception[] {
  const places: Devices[] = [...exceptions];
  // goes on over what it adds itself
  for (const one of places) {
    for (const other of exceptions) {
      const common = intersection(one, other);
      if (common && !places.some((place) => covers(place, common) && covers(common, place))) places.push(common);
    }
  }
  return places.map(({ type, major, minor }) => {
    const place = { type, major, minor };
    const access = exceptions.filter((exception) => covers(exception, place)).reduce((all, exception) => joined(all, exception.access), '');
    return { ...place, access };
  });
}

function joined(a: string, b: string): string {
  return [...ALL].filter((letter) => a.includes(letter) || b.includes(letter)).join('');
}

/** Every device of `inner` is one of `outer`. */
function covers(outer: Devices, inner: Devices): boolean {
  return (
    outer.type === inner.type &&
    (outer.major === undefined || outer.major === inner.major) &&
    (outer.minor === undefined || outer.minor === inner.minor)
  );
}

function intersection(a: Devices, b: Devices): Devices | null {
  const clash = (x: number | undefined, y: number | undefined): boolean => x !== undefined && y !== undefined && x !== y;
  if (a.type !== b.type || clash(a.major, b.major) || clash(a.minor, b.minor)) return null;
  return { type: a.type, major: a.major ?? b.major, minor: a.minor ?? b.minor };
}
