import type { Readable, Writable } from 'node:stream';
import { types } from 'node:util';
import * as z from 'zod';
import { abortSignal, absolutePath, custom, duration, text, word } from '../../options/common-fields.js';
import * as json from '../../options/option-fields.js';
import { size } from '../../options/size.js';
import type { StdioItem } from './checked-process.js';
import type { TerminalSize } from './process-types.js';
import { checkSignal } from './signals.js';
import { checkGroup, checkUser } from './user.js';

type Direction = 'in' | 'out';

/**
 * Whether this is a stream, Node's own or a similar one, that can still be read: one that has ended would never end the program's stdin.
 */
function isReadable(value: object): value is Readable {
  return has(value, 'pipe') && has(value, 'read') && Reflect.get(value, 'readable') !== false;
}

function isWritable(value: object): value is Writable {
  return has(value, 'write') && has(value, 'end') && Reflect.get(value, 'writable') !== false;
}

function has(value: object, method: string): boolean {
  return typeof Reflect.get(value, method) === 'function';
}

/** Made when it is needed, with zod. */
const file = () => z.strictObject({ file: word.schema(), append: z.boolean().optional() });

const PROBLEM = "must be 'pipe', 'inherit', 'ignore', a file descriptor, a stream or { file }";

/** The places of one stream. A list is flattened: each place gets all of the data. */
function stdioSchema(direction: Direction): z.ZodType<StdioItem[]> {
  return z.unknown().transform((value, context) => {
    const complain = (message: string): never => {
      context.addIssue(message);
      return z.NEVER;
    };
    const read = (item: unknown): StdioItem[] => {
      if (item === 'pipe' || item === 'inherit' || item === 'ignore') return [{ type: item }];
      if (typeof item === 'number') {
        return isDescriptor(item) ? [{ type: 'fd', fd: item }] : complain('must be a file descriptor: 0 or more');
      }
      if (Array.isArray(item))
        return item.length === 0 ? complain("must not be an empty list: 'ignore' drops a stream") : item.flatMap(read);
      if (typeof item !== 'object' || item === null) return complain(PROBLEM);
      if (direction === 'in' && isReadable(item)) return [{ type: 'source', stream: item }];
      if (direction === 'out' && isWritable(item)) return [{ type: 'sink', stream: item }];
      if (has(item, 'pipe') || has(item, 'write'))
        return complain(`must be a stream that can be ${direction === 'in' ? 'read from' : 'written to'}`);
      const parsed = file().safeParse(item);
      if (!parsed.success) return complain(PROBLEM);
      if (direction === 'in' && parsed.data.append) return complain('append is for outputs');
      return [{ type: 'file', file: parsed.data.file, append: parsed.data.append ?? false }];
    };
    const items = read(value);
    if (direction === 'in' && items.length > 1) return complain('must be one source: a list is for outputs');
    return items;
  });
}

function isDescriptor(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fffffff;
}

/** Without zod its usual places are read: those with a name, and descriptors. */
function stdio(direction: Direction): json.Field<StdioItem[], unknown> {
  const read = (value: unknown): StdioItem[] | typeof json.WRONG => {
    if (value === 'pipe' || value === 'inherit' || value === 'ignore') return [{ type: value }];
    return isDescriptor(value) ? [{ type: 'fd', fd: value }] : json.WRONG;
  };
  return new json.Field<StdioItem[], unknown>(read, () => stdioSchema(direction));
}

const group = new json.Field<string, string | number>(
  (value) => {
    const checked = isName(value) ? checkGroup(value) : null;
    return checked !== null && 'group' in checked ? checked.group : json.WRONG;
  },
  () =>
    z.union([z.string(), z.int()], { error: 'must be a group name or a gid' }).transform((value, context) => {
      const checked = checkGroup(value);
      if ('group' in checked) return checked.group;
      context.addIssue(checked.problem);
      return z.NEVER;
    }),
);

const user = new json.Field<string, string | number>(
  (value) => {
    const checked = isName(value) ? checkUser(value) : null;
    return checked !== null && 'user' in checked ? checked.user : json.WRONG;
  },
  () =>
    z.union([z.string(), z.int()], { error: "must be 'user', 'user:group' or a uid" }).transform((value, context) => {
      const checked = checkUser(value);
      if ('user' in checked) return checked.user;
      context.addIssue(checked.problem);
      return z.NEVER;
    }),
);

/** What may be a name, or the number in its place. */
function isName(value: unknown): value is string | number {
  return typeof value === 'string' || Number.isSafeInteger(value);
}

const killSignal = new json.Field<number, unknown>(
  (value) => {
    const checked = checkSignal(value);
    return 'number' in checked ? checked.number : json.WRONG;
  },
  () =>
    z.unknown().transform((value, context) => {
      const checked = checkSignal(value);
      if ('number' in checked) return checked.number;
      context.addIssue(checked.problem);
      return z.NEVER;
    }),
);

const variable = text.refine((name) => name !== '' && !name.includes('='), "must have names that are not empty and have no '='");
const environment = new json.Field<Record<string, string | undefined>>(json.record(variable, text.optional()).read, () =>
  z.record(variable.schema(), text.schema().optional(), {
    error: (issue) => (issue.code === 'invalid_key' ? `has a name that can't be one: ${JSON.stringify(issue.input)}` : undefined),
  }),
);

const input = custom(
  (value): value is string | Uint8Array | Readable =>
    typeof value === 'string' || types.isUint8Array(value) || (typeof value === 'object' && value !== null && isReadable(value)),
  'must be a string, bytes or a stream that can be read from',
);

/** Of the keys of ProcessOptions and CallOptions. */
export const processFields = {
  env: environment,
  extendEnv: json.boolean(),
  cwd: absolutePath,
  user,
  groupAdd: json.array(group),
  umask: json.int().min(0).max(0o777),
  stdin: stdio('in'),
  stdout: stdio('out'),
  stderr: stdio('out'),
  encoding: json.oneOf(['utf8', 'buffer']),
  buffer: json.boolean(),
  timeout: duration,
  cpuTimeLimit: duration,
  killSignal,
  forceKillAfterDelay: duration,
  input,
  maxBuffer: size(),
  cancelSignal: abortSignal,
  reject: json.boolean(),
};

export const terminalSize = () => z.strictObject({ columns: z.int().min(1).max(0xffff), rows: z.int().min(1).max(0xffff) });

/** Of the key of TerminalOptions. A size is not read without zod. */
export const terminalFields = {
  tty: new json.Field<boolean | TerminalSize>(json.boolean().read, () =>
    z.union([z.boolean(), terminalSize()], { error: 'must be true, false or { columns, rows }' }),
  ),
};

type Checked<F extends json.Fields> = { [K in keyof F]?: json.output<F[K]> | undefined };
/** Options of a process as they are read, without defaults. */
export type CheckedProcess = Checked<typeof processFields> & Checked<typeof terminalFields>;
