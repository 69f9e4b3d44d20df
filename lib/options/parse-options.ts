import { closest, distance } from 'fastest-levenshtein';
import type { z } from 'zod';
import { invalidOption, type NacelleError } from '../errors.js';
import { ownNameOf } from './foreign-names.js';
import { type Field, WRONG } from './option-fields.js';

type Issue = z.core.$ZodIssue;
type RawIssue = z.core.$ZodRawIssue;
interface Problem {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/** To make code for the checks of an object takes longer than to check it many times, and options that are the same are not checked again. */
const HOW = { error: inWords, jitless: true } as const;

/**
 * Checks a public option against its schema and gives back the checked value, transforms applied.
 *
 * @param what the name of the value itself, for the case that it is wrong as a whole: 'options', 'limits'
 * @throws NacelleError `ERR_INVALID_OPTION`, which names the option; an unknown key names the nearest right one
 */
export function parseOptions<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const result = schema.safeParse(value, HOW);
  if (result.success) return result.data;
  throw asError(result.error.issues.map(specific), what);
}

/** The same by a field: zod is asked of a wrong value alone. */
export function parseField<Out, In>(field: Field<Out, In>, value: unknown, what: string): Out {
  const taken = field.read(value);
  return taken === WRONG ? parseOptions(field.schema(), value, what) : taken;
}

/** The same for what is no option itself but, for example, the content of a file: the problems, each with its place, are for the caller. */
export function checkOptions<S extends z.ZodType>(
  schema: S,
  value: unknown,
): { readonly value: z.output<S> } | { readonly problems: readonly (Problem & { readonly name: string })[] } {
  const result = schema.safeParse(value, HOW);
  if (result.success) return { value: result.data };
  return { problems: result.error.issues.map(specific).map((problem) => ({ ...problem, name: pathName(problem.path, '') })) };
}

/** One error for all problems. The first problem names the option, and the others follow: who mends one wants to know of the next. */
function asError(problems: readonly Problem[], what: string): NacelleError {
  const [first, ...others] = problems;
  const more = others.map((problem) => `; option ${pathName(problem.path, what)}: ${problem.text}`).join('');
  return invalidOption(pathName(first?.path ?? [], what), `${first?.text ?? 'is wrong'}${more}`);
}

function pathName(path: readonly PropertyKey[], what: string): string {
  if (path.length === 0) return what;
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`)).join('');
}

/** The place that a problem is about: for an unknown key the key itself, inside a union the branch that was meant. */
function specific(issue: Issue): Problem {
  if (issue.code === 'unrecognized_keys') return { path: [...issue.path, ...issue.keys.slice(0, 1)], text: issue.message };
  const inside = issue.code === 'invalid_union' ? nearestBranch(issue.errors) : undefined;
  if (inside) {
    const problem = specific(inside);
    return { path: [...issue.path, ...problem.path], text: problem.text };
  }
  return { path: issue.path, text: issue.message };
}

/** Of the branch of a union that has the fewest problems, the first of those within the value. None where two branches are as near. */
function nearestBranch(branches: readonly (readonly Issue[])[]): Issue | undefined {
  const isWithin = (issue: Issue): boolean =>
    issue.path.length > 0 || issue.code === 'unrecognized_keys' || (issue.code === 'custom' && !issue.params?.isHandle);
  const [first, second] = branches.filter((issues) => issues.some(isWithin)).sort((a, b) => a.length - b.length);
  return first?.length === second?.length ? undefined : first?.find(isWithin);
}

/** zod's issues in plain words; `undefined` leaves zod's own. */
function inWords(issue: RawIssue): string | undefined {
  switch (issue.code) {
    case 'unrecognized_keys':
      return unknownKeys(issue.keys, knownKeys(issue.inst));
    case 'invalid_type':
      return issue.input === undefined
        ? `is missing: ${article(issue.expected)} is needed`
        : `must be ${article(issue.expected)}, not ${describe(issue.input)}`;
    case 'invalid_value':
      return oneOf(issue.values.map(String), issue.input);
    case 'too_small':
      return `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}${unit(issue.origin)}`;
    case 'too_big':
      return `must be ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}${unit(issue.origin)}`;
    case 'invalid_union': {
      const messages = issue.errors.flatMap((branch) => branch.slice(0, 1).map((inner) => inner.message));
      return [...new Set(messages)].join(', or ');
    }
    default:
      return undefined;
  }
}

function unit(origin: string): string {
  if (origin === 'string') return ' characters long';
  return origin === 'array' ? ' items long' : '';
}

function article(expected: string): string {
  if (expected === 'int') return 'a whole number';
  return /^[aeio]/.test(expected) ? `an ${expected}` : `a ${expected}`;
}

function describe(input: unknown): string {
  if (input === null) return 'null';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'number' || typeof input === 'boolean') return String(input);
  if (typeof input === 'string') return JSON.stringify(input.length > 40 ? `${input.slice(0, 40)}…` : input);
  return article(typeof input);
}

function knownKeys(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null || !('shape' in schema)) return [];
  return Object.keys(schema.shape as object);
}

function unknownKeys(keys: readonly string[], known: readonly string[]): string {
  const [first = '', ...others] = keys
    .map((key) => ({ key, right: meant(key, known) }))
    .map(({ key, right }, i) =>
      i === 0
        ? `is unknown${right ? `; did you mean '${right}'?` : ''}`
        : `'${key}' is unknown too${right ? `; did you mean '${right}'?` : ''}`,
    );
  return [first, ...others].join('; ');
}

function oneOf(values: readonly string[], input: unknown): string {
  const list = values.map((value) => `'${value}'`).join(', ');
  const right = typeof input === 'string' ? nearest(input, values) : undefined;
  return `must be ${values.length === 1 ? list : `one of ${list}`}, not ${describe(input)}${right ? `; did you mean '${right}'?` : ''}`;
}

/** The option that a key probably means. The name of another tool's option stands for ours, however near it is to a third. */
function meant(key: string, known: readonly string[]): string | undefined {
  const own = ownNameOf(key);
  return own !== undefined && known.includes(own) ? own : nearest(key, known);
}

/** The name that was probably meant: a slip of a letter or two, another case, or one that starts alike. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const lower = name.toLowerCase();
  const byCase = new Map(known.map((right) => [right.toLowerCase(), right]));
  const best = closest(lower, [...byCase.keys()]);
  if (distance(lower, best) <= Math.max(2, Math.floor(lower.length / 3))) return byCase.get(best);
  const alike = [...byCase.keys()].find(
    (right) => Math.min(right.length, lower.length) >= 3 && (right.startsWith(lower) || lower.startsWith(right)),
  );
  return alike === undefined ? undefined : byCase.get(alike);
}
