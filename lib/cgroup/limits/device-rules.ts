import { UnsupportedError } from '../../errors.js';
import type { ParsedDeviceRule } from '../../options/limits.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { Write } from './group-write.js';

/** A number that is not given stands for any. */
interface Devices {
  readonly type: 'b' | 'c';
  readonly major: number | undefined;
  readonly minor: number | undefined;
}

interface Exception extends Devices {
  readonly access: string;
}

const ALL = 'rwm';
const ALLOW = 'devices.allow';

/**
 * Rules for the v1 device controller. It keeps one default and a set of exceptions from it, without order; ours are an
 * ordered list in which, for each letter, the last that fits decides.
 *
 * What a group above refuses is refused here too, whatever the rules: see {@link deviceSteps}.
 *
 * @param reset the group has rules of its own to be replaced; a new one has its parent's
 * @param above devices.list of the group above: for rules that allow all but some
 * @throws UnsupportedError for an exception from an exception, which v1 can't keep
 */
export function deviceWrites(
  rules: readonly ParsedDeviceRule[],
  { reset = false, above = null }: { reset?: boolean; above?: string | null } = {},
): readonly Write[] {
  if (rules.length === 0 && !reset) return [];
  const isPlain = !reset && above === null;
  const known = isPlain ? writesOf.get(rules) : undefined;
  if (known) return known;
  const writes = newWrites(rulesBelow(rules, above), reset);
  if (isPlain) writesOf.set(rules, writes);
  return writes;
}

/**
 * Steps for the writes, in their order. What a group above refuses can't be allowed, so for each device only those letters are asked for that can be.
 * One step allows all devices that are allowed one after the other.
 */
export function deviceSteps(writes: readonly Write[], group: Slot): Step[] {
  const steps: Step[] = [];
  let devices: string[] | null = null;
  for (const write of writes) {
    const { file, value } = write;
    if (!isOfSome(write)) {
      devices = null;
      steps.push({ op: 'put', host: true, at: group, path: file, bytes: Buffer.from(value) });
    } else if (devices === null) {
      devices = [value];
      steps.push({ op: 'allow_devices', host: true, group, devices });
    } else {
      devices.push(value);
    }
  }
  return steps;
}

/** Allows some devices, by their numbers. */
const isOfSome = ({ file, value }: Write): boolean => file === ALLOW && value.includes(' ');

/**
 * The same rules for a group below one that allows some devices alone: the rules then take away from those. v1 takes back an inherited
 * device only when it is named as it was allowed, and else keeps it without an error.
 */
function rulesBelow(rules: readonly ParsedDeviceRule[], above: string | null): readonly ParsedDeviceRule[] {
  const { allows, rules: own } = effectiveRules(rules);
  if (!allows || above === null || /^a /m.test(above)) return rules;
  return [{ type: 'a', access: ALL, allow: false }, ...parseDevices(above), ...own];
}

/** Reads devices.list of a group that allows these devices and refuses all else. 'c 1:3 rwm', 'c 136:* rw'. */
function parseDevices(list: string): ParsedDeviceRule[] {
  return [...list.matchAll(/^([bc]) (\d+|\*):(\d+|\*) ([rwm]+)$/gm)].map(([, type, major = '*', minor = '*', access = '']) => ({
    type: type === 'b' ? 'b' : 'c',
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
    access,
    allow: true,
  }));
}

/** The writes by their list of rules: most containers have the default rules, which are one list. */
const writesOf = new WeakMap<readonly ParsedDeviceRule[], readonly Write[]>();

function newWrites(rules: readonly ParsedDeviceRule[], reset: boolean): Write[] {
  const { allows, exceptions, explicit } = flatten(rules);
  const write = (allow: boolean, value: string): Write => ({
    controller: 'devices',
    file: allow ? ALLOW : 'devices.deny',
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

/** The rules that have an effect: a rule about all devices and all access makes those before it void. */
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
 * over several that fit: so what two have in common gets an exception with the letters of both. The kernel asks for `m` alone.
 */
function closed(exceptions: readonly Exception[]): Exception[] {
  const places: Devices[] = [...exceptions];
  // this loop also goes over the places that it adds
  for (const one of places) {
    for (const other of exceptions) {
      const common = intersection(one, other);
      if (common && !places.some((place) => covers(place, common) && covers(common, place))) places.push(common);
    }
  }
  const all = places.map(({ type, major, minor }) => {
    const place = { type, major, minor };
    const above = exceptions.filter((exception) => covers(exception, place));
    const own = above.filter((exception) => covers(place, exception));
    const opened = above.map(({ access }) => access.replace('m', ''));
    return { ...place, access: [...opened, ...own.map(({ access }) => access)].reduce(joined, '') };
  });
  return all.filter(({ access }) => access !== '');
}

function joined(a: string, b: string): string {
  return [...ALL].filter((letter) => a.includes(letter) || b.includes(letter)).join('');
}

/** Whether every device of `inner` is one of `outer`. */
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
