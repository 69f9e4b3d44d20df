import { UnsupportedError } from '../errors.js';
import { type Resources, resourcesSchema } from '../oci-config/resources-schema.js';
import { WRONG } from '../options/option-fields.js';
import type { Flags, FlagTable } from './command-line.js';
import { usageError } from './config/runtime-error.js';

/** The flags of `update` that have numbers, and the fields of linux.resources that they stand for. */
const numbers: Readonly<Record<string, readonly [part: string, field: string]>> = {
  'blkio-weight': ['blockIO', 'weight'],
  'cpu-period': ['cpu', 'period'],
  'cpu-quota': ['cpu', 'quota'],
  'cpu-burst': ['cpu', 'burst'],
  'cpu-share': ['cpu', 'shares'],
  'cpu-rt-period': ['cpu', 'realtimePeriod'],
  'cpu-rt-runtime': ['cpu', 'realtimeRuntime'],
  'cpu-idle': ['cpu', 'idle'],
  'pids-limit': ['pids', 'limit'],
};

const sizes: typeof numbers = {
  memory: ['memory', 'limit'],
  'memory-reservation': ['memory', 'reservation'],
  'memory-swap': ['memory', 'swap'],
};

const texts: typeof numbers = { 'cpuset-cpus': ['cpu', 'cpus'], 'cpuset-mems': ['cpu', 'mems'] };

/** Of runc, those that this runtime can't apply, and why: with runc's words where it says so of a machine without Intel RDT. */
const missing: Readonly<Record<string, string>> = {
  'kernel-memory': 'the kernel counts its own memory with that of the container',
  'kernel-memory-tcp': 'the kernel counts the memory of TCP with that of the container',
  'l3-cache-schema': 'Intel RDT/CAT: l3 cache schema is not enabled',
  'mem-bw-schema': 'Intel RDT/MBA: memory bandwidth schema is not enabled',
};

const fields: typeof numbers = { ...numbers, ...sizes, ...texts };

export const updateFlags: FlagTable = Object.fromEntries(
  ['resources', ...Object.keys(fields), ...Object.keys(missing)].map((name) => [name, 'value']),
);

/**
 * The limits that the flags of `update` name; `null` without any. Pure.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` by the flag; UnsupportedError for one of runc's that can't be applied
 */
export function resourcesOfFlags(flags: Flags): Resources | null {
  for (const [name, reason] of Object.entries(missing)) if (flags.value(name)) throw new UnsupportedError(`--${name}`, reason);
  const found: Record<string, Record<string, number | string>> = {};
  for (const [name, [part, field]] of Object.entries(fields)) {
    const text = flags.value(name);
    if (text === null) continue;
    const value = Object.hasOwn(texts, name) ? text : Object.hasOwn(sizes, name) ? bytesOf(name, text) : numberOf(name, text);
    found[part] = { ...found[part], [field]: value };
  }
  if (Object.keys(found).length === 0) return null;
  const read = resourcesSchema.read(found);
  if (read !== WRONG) return read;
  const checked = resourcesSchema.schema().safeParse(found);
  if (checked.success) return checked.data;
  const [first] = checked.error.issues;
  const flag = Object.keys(fields).find((name) => fields[name]?.join('.') === first?.path.join('.'));
  throw usageError(`invalid value for flag -${flag}: ${first?.message}`);
}

function numberOf(name: string, text: string): number {
  const number = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(number)) throw usageError(`invalid value ${JSON.stringify(text)} for flag -${name}`);
  return number;
}

/** Bytes, as in docker's flags: '64M' and '64MiB' are the same. -1 is none. */
function bytesOf(name: string, text: string): number {
  if (text === '-1') return -1;
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?(?:([kmgtp])i?)?b?$/i.exec(text) ?? [];
  const bytes = Math.trunc(Number(number) * 1024 ** ' kmgtp'.indexOf(unit.toLowerCase() || ' '));
  if (number === undefined || !Number.isSafeInteger(bytes)) throw usageError(`invalid value ${JSON.stringify(text)} for flag -${name}`);
  return bytes;
}
