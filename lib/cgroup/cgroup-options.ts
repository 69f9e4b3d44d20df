import * as z from 'zod';
import { invalidOption } from '../errors.js';
import { abortSignal, groupName, handle, isGroupName } from '../options/common-schemas.js';
import type { ParsedLimits } from '../options/limits.js';
import { limitsSchema } from '../options/limits-schema.js';
import { parseOptions } from '../options/parse-options.js';

/** Another group, by its name or itself. */
export interface NamedGroup {
  readonly name: string;
}

const parent = z.union([
  groupName,
  handle<NamedGroup>((value) => 'name' in value && isGroupName(value.name) && 'paths' in value, 'a Cgroup or its name'),
]);
const createSchema = z.strictObject({ parent: parent.optional(), persist: z.boolean().optional() });

/** @throws NacelleError `ERR_INVALID_OPTION` for a name that climbs, is empty or can't be a folder's */
export function parseName(value: unknown): string {
  return parseOptions(groupName, value, 'name');
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseCreate(name: unknown, options: unknown): { name: string; persist: boolean } {
  const own = parseName(name);
  const parsed = parseOptions(createSchema, options, 'options');
  const above = typeof parsed.parent === 'string' ? parseName(parsed.parent) : parsed.parent?.name;
  return { name: above === undefined ? own : `${above}/${own}`, persist: parsed.persist ?? false };
}

const elsewhere = ['ulimits', 'scheduler'] as const;

/**
 * Limits of a group: those of single processes make no sense here.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`
 */
export function parseGroupLimits(value: unknown): ParsedLimits {
  const limits = parseOptions(limitsSchema, value, 'limits');
  const misplaced = elsewhere.find((name) => limits[name] !== undefined);
  if (misplaced) throw invalidOption(misplaced, 'is of a process, not of a group: give it to the container or the command');
  return limits;
}

/** The kernel's own greatest, PID_MAX_LIMIT. */
const pidSchema = z.int().min(1).max(4_194_304);

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parsePid(value: unknown): number {
  return parseOptions(pidSchema, value, 'pid');
}

const eventSchema = z.strictObject({
  cancelSignal: abortSignal.optional(),
});

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseEventOptions(value: unknown): z.output<typeof eventSchema> {
  return parseOptions(eventSchema, value, 'options');
}
