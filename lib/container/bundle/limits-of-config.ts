import { limitsOf } from '../../oci-config/bundle-limits.js';
import type { BundleProcess } from '../../oci-config/config-schema.js';
import { refuse } from '../../oci-config/refused.js';
import type { Resources } from '../../oci-config/resources-schema.js';
import type { DeviceRule, Limits } from '../../options/limits.js';
import { defaultDeviceRules } from '../../security/paths.js';
import { UNLIMITED_SWAP } from './resources-of-limits.js';

/** linux.resources as options, but for the rules of devices. Pure. @throws UnsupportedError */
export function limitsOfConfig(resources: Resources): Limits {
  const { memory, unified = {} } = resources;
  const limit = positive(memory?.limit);
  const swap = memory?.swap === undefined || memory.swap <= 0 ? UNLIMITED_SWAP : memory.swap;
  const { rdma, ...known } = limitsOf(resources);
  const misc = /^(\S+) (\d+)$/.exec(unified['misc.max']?.trim() ?? '');
  if (unified['misc.max'] !== undefined && misc === null) refuse('linux.resources.unified["misc.max"]', 'it must be a name and a number');
  return without({
    ...known,
    ...(rdma === undefined || Object.keys(rdma).length === 0 ? {} : { rdma }),
    memory: limit,
    memorySwap: limit === undefined || swap === limit ? undefined : swap,
    kernelMemory: positive(memory?.kernel),
    memoryHigh: numberIn(unified, 'memory.high'),
    memoryOomGroup: unified['memory.oom.group'] === undefined ? undefined : numberIn(unified, 'memory.oom.group') === 1,
    misc: misc === null ? undefined : { [misc[1] ?? '']: Number(misc[2]) },
  });
}

function positive(value: number | undefined): number | undefined {
  return value === undefined || value <= 0 ? undefined : value;
}

/** 'max' is no limit. */
function numberIn(unified: Readonly<Record<string, string>>, file: 'memory.high' | 'memory.oom.group'): number | undefined {
  const text = unified[file]?.trim();
  if (text === undefined || text === 'max') return undefined;
  if (!/^\d{1,16}$/.test(text)) refuse(`linux.resources.unified[${JSON.stringify(file)}]`, `${JSON.stringify(text)} is no number`);
  return Number(text);
}

/** process.rlimits as the option `ulimits`. Pure. */
export function ulimitsOfConfig({ rlimits }: BundleProcess): Limits['ulimits'] {
  if (rlimits.length === 0) return undefined;
  const number = (value: number): number => (value === Number.POSITIVE_INFINITY ? -1 : value);
  return Object.fromEntries(
    rlimits.map(({ type, soft, hard }) => [type.slice('RLIMIT_'.length).toLowerCase(), { soft: number(soft), hard: number(hard) }]),
  );
}

/** A device of linux.devices, and where it is in the container. */
export interface NumberedDevice {
  readonly type: 'b' | 'c';
  readonly major: number;
  readonly minor: number;
}

/**
 * The rules of linux.resources.devices as options: what they allow of each device, and the rules that remain. They come after those that
 * every container has, so those at their beginning that say the same are left out. Pure.
 */
export function deviceRulesOfConfig(
  resources: Resources | undefined,
  devices: readonly NumberedDevice[],
): { readonly access: readonly string[]; readonly rules: readonly DeviceRule[] } {
  const asked = (resources?.devices ?? []).map(({ type = 'a', major, minor, access, allow }): DeviceRule => {
    const number = (value: number | undefined) => (value === undefined || value < 0 ? undefined : value);
    return { type, ...without({ major: number(major), minor: number(minor) }), access: letters(access || 'rwm'), allow };
  });
  const all: DeviceRule[] = asked[0]?.type === 'a' && !asked[0].allow ? asked : [{ type: 'a', access: 'rwm', allow: false }, ...asked];
  const isUsual = defaultDeviceRules.every((rule, index) => isSame(rule, all[index]));
  const own = all.slice(defaultDeviceRules.length, defaultDeviceRules.length + devices.length);
  const isOwn = ({ type, major, minor }: NumberedDevice, rule: DeviceRule | undefined): boolean =>
    rule !== undefined && isSame({ type, major, minor, access: rule.access, allow: true }, rule);
  if (isUsual && devices.every((device, index) => isOwn(device, own[index])))
    return { access: own.map((rule) => rule.access), rules: all.slice(defaultDeviceRules.length + devices.length) };
  return { access: devices.map((device) => accessTo(device, all)), rules: all.slice(1) };
}

/** For each letter the last rule that fits decides; a node can be made of any device that is there, as in runc. */
function accessTo({ type, major, minor }: NumberedDevice, rules: readonly DeviceRule[]): string {
  const fits = (rule: DeviceRule): boolean =>
    (rule.type === 'a' || rule.type === type) &&
    (rule.major === undefined || rule.major === major) &&
    (rule.minor === undefined || rule.minor === minor);
  return [...'rwm']
    .filter((letter) => letter === 'm' || rules.findLast((rule) => rule.access.includes(letter) && fits(rule))?.allow)
    .join('');
}

function letters(access: string): string {
  return [...'rwm'].filter((letter) => access.includes(letter)).join('');
}

function isSame(one: DeviceRule, other: DeviceRule | undefined): boolean {
  return (['type', 'major', 'minor', 'allow'] as const).every((key) => one[key] === other?.[key]) && letters(one.access) === other?.access;
}

function without<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as T;
}
