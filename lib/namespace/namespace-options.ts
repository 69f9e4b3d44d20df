import * as z from 'zod';
import { invalidOption } from '../errors.js';
import { handle, idMap, word } from '../options/common-schemas.js';
import { parseOptions } from '../options/parse-options.js';
import { type NamespaceType, namespaceTypes } from '../plan/namespace-types.js';
import { checkIdMap, type IdMap } from '../plan/user-maps.js';

/** What new namespaces are like. */
export interface NamespaceOptions {
  /**
   * The ids of a new user namespace. `outside` is an id of the host; an ordinary user has only its own and those of /etc/subuid: else
   * UnsupportedError. Default: Node's user alone, as root inside.
   */
  uidMap?: readonly IdMap[] | undefined;
  /** The same for groups, with /etc/subgid. Default: Node's group alone, as root's inside. */
  gidMap?: readonly IdMap[] | undefined;
  /** The host name of a new UTS namespace, at most 64 bytes. Default: the host's, copied. */
  hostname?: string | undefined;
  /** For a new time namespace: ms added to its clocks (time_namespaces(7)). */
  timeOffsets?: { monotonic?: number | undefined; boottime?: number | undefined } | undefined;
}

/** Checked, with what belongs to a type present only with that type. */
export interface ParsedCreate {
  readonly types: readonly NamespaceType[];
  readonly uidMap: readonly IdMap[] | null;
  readonly gidMap: readonly IdMap[] | null;
  readonly hostname: string | null;
  readonly timeOffsets: { readonly monotonic: number; readonly boottime: number } | null;
}

const type = z.enum(namespaceTypes);
const typesSchema = z.strictObject({ types: z.array(type).min(1) });
/** ms that, added to any clock, stay in the kernel's range (KTIME_SEC_MAX halved). */
const offset = z.number().min(-4e12).max(4e12);

const createSchema = z.strictObject({
  uidMap: idMap.optional(),
  gidMap: idMap.optional(),
  hostname: word.refine((name) => Buffer.byteLength(name) <= 64, 'must be at most 64 bytes long').optional(),
  timeOffsets: z.strictObject({ monotonic: offset.optional(), boottime: offset.optional() }).optional(),
});

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseCreate(types: unknown, options: unknown): ParsedCreate {
  const { types: wanted } = parseOptions(typesSchema, { types }, 'types');
  const twice = wanted.find((name, i) => wanted.indexOf(name) !== i);
  if (twice) throw invalidOption('types', `has '${twice}' twice`);
  const { uidMap, gidMap, hostname, timeOffsets } = parseOptions(createSchema, options, 'options');
  const needs = (option: string, value: unknown, needed: NamespaceType): void => {
    if (value !== undefined && !wanted.includes(needed))
      throw invalidOption(option, `needs the type '${needed}': there is nothing else to set it on`);
  };
  needs('uidMap', uidMap, 'user');
  needs('gidMap', gidMap, 'user');
  needs('hostname', hostname, 'uts');
  needs('timeOffsets', timeOffsets, 'time');
  if (uidMap) checkIdMap('uidMap', uidMap);
  if (gidMap) checkIdMap('gidMap', gidMap);
  return {
    types: wanted,
    uidMap: uidMap ?? null,
    gidMap: gidMap ?? null,
    hostname: hostname ?? null,
    timeOffsets: timeOffsets ? { monotonic: timeOffsets.monotonic ?? 0, boottime: timeOffsets.boottime ?? 0 } : null,
  };
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseType(value: unknown): NamespaceType {
  return parseOptions(type, value, 'type');
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parsePid(value: unknown): number | 'self' {
  return value === 'self' ? value : parseOptions(z.int().min(1).max(4_194_304), value, 'pid');
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parsePath(value: unknown): string {
  return parseOptions(word, value, 'path');
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseFilter(value: unknown): { type?: NamespaceType | undefined } {
  return parseOptions(z.strictObject({ type: type.optional() }), value, 'filter');
}

/** A namespace that is held open, to be joined together with another one. */
export interface Held {
  readonly type: NamespaceType;
  readonly fd: number;
}

const held = handle<Held>(
  (value) => 'type' in value && type.safeParse(value.type).success && 'fd' in value && typeof value.fd === 'number',
  'a Namespace',
);

/**
 * Checks the option `with` of `run()`.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`
 */
export function parseCompanions(first: Held, value: unknown): Held[] {
  const { with: others } = parseOptions(z.strictObject({ with: z.array(held) }), { with: value }, 'options');
  const all = [first, ...others];
  const twice = all.find(({ type: name }, i) => all.findIndex((other) => other.type === name) !== i);
  if (twice) throw invalidOption('with', `has two namespaces of the type '${twice.type}': a process is in one`);
  return all;
}
