import { parseOptions } from '../../options/parse-options.js';
import { type CheckedRun, runObject } from './container-schema.js';
import { checkContradictions } from './contradictions.js';

type Names = { [name in keyof CheckedRun]?: true };

/** Schemas by the option names that are given: a schema checks every name that it has, and a caller gives only a few of them. */
const schemas = new Map<string, ReturnType<typeof schemaOf>>();
const MOST_SCHEMAS = 100;

function schemaOf(names: Names | null) {
  return (names === null ? runObject : runObject.pick(names)).superRefine(checkContradictions);
}

const whole = schemaOf(null);
const allNames = Object.keys(runObject.shape);

function schemaFor(value: unknown): ReturnType<typeof schemaOf> {
  const names = namesOf(value);
  if (names === null) return whole;
  const key = names.join();
  let schema = schemas.get(key);
  if (schema === undefined) {
    if (schemas.size >= MOST_SCHEMAS) schemas.clear();
    schema = schemaOf(Object.fromEntries(names.map((name) => [name, true])));
    schemas.set(key, schema);
  }
  return schema;
}

/**
 * The names that are given, in the schema's order. `null` where the whole schema must look at the value: it is no plain object, or has an
 * unknown name.
 */
function namesOf(value: unknown): string[] | null {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return null;
  if (!Object.keys(value).every((name) => Object.hasOwn(runObject.shape, name))) return null;
  return allNames.filter((name) => Object.hasOwn(value, name));
}

/** Checks RunOptions by zod. @throws NacelleError `ERR_INVALID_OPTION`: a wrong option, or ones that can't go together */
export function parseWithSchema(value: unknown): CheckedRun {
  return parseOptions(schemaFor(value), value, 'options');
}
