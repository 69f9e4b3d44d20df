import { constants } from 'node:buffer';
import type { Readable, Writable } from 'node:stream';
import { types } from 'node:util';
import * as z from 'zod';
import { abortSignal, absolutePath, duration, text, word } from '../../options/common-schemas.js';
import type { Complaints } from '../../options/limits.js';
import { parseOptions } from '../../options/parse-options.js';
import { sizeSchema } from '../../options/size.js';
import type { Encoding, TerminalSize } from './process-types.js';
import { checkSignal, SIGKILL } from './signals.js';
import { checkGroup, checkUser } from './user.js';

/** One place that a stream comes from or goes to; a stream of the program has one or several. */
export type StdioItem =
  | { readonly type: 'pipe' | 'inherit' | 'ignore' }
  | { readonly type: 'fd'; readonly fd: number }
  | { readonly type: 'source'; readonly stream: Readable }
  | { readonly type: 'sink'; readonly stream: Writable }
  | { readonly type: 'file'; readonly file: string; readonly append: boolean };

/** Checked options of a process, defaults filled in; durations are ms, sizes bytes, `null` is no limit. */
export interface ParsedProcess {
  /** `undefined` removes a variable that would come from elsewhere. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly extendEnv: boolean;
  readonly cwd: string | null;
  /** 'user' or 'user:group', each a name or an exact number. */
  readonly user: string | null;
  /** Each a name or an exact number; `null` is not given. */
  readonly groupAdd: readonly string[] | null;
  readonly umask: number;
  /** The program has pipes of ours as its streams, whatever these name: Node copies between, within `maxBuffer`. */
  readonly pipesOnly: boolean;
  readonly stdin: readonly StdioItem[];
  readonly stdout: readonly StdioItem[];
  readonly stderr: readonly StdioItem[];
  /** `null`: no terminal. */
  readonly tty: Readonly<TerminalSize> | null;
  readonly encoding: Encoding;
  /** Whether output is kept for the result. */
  readonly buffer: boolean;
  readonly timeout: number | null;
  readonly cpuTimeLimit: number | null;
  readonly killSignal: number;
  readonly forceKillAfterDelay: number;
  readonly input: string | Uint8Array | Readable | null;
  readonly maxBuffer: number | null;
  readonly cancelSignal: AbortSignal | null;
  readonly reject: boolean;
}

/** How long a tree may go on after another signal than SIGKILL, ms, where no option says it. */
export const FORCE_KILL_AFTER = 1000;

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

const file = z.strictObject({ file: word, append: z.boolean().optional() });

const PROBLEM = "must be 'pipe', 'inherit', 'ignore', a file descriptor, a stream or { file }";

/** The places of one stream. A list is flattened: each place gets all of the data. */
function stdio(direction: Direction): z.ZodType<StdioItem[]> {
  return z.unknown().transform((value, context) => {
    const complain = (message: string): never => {
      context.addIssue(message);
      return z.NEVER;
    };
    const read = (item: unknown): StdioItem[] => {
      if (item === 'pipe' || item === 'inherit' || item === 'ignore') return [{ type: item }];
      if (typeof item === 'number') {
        return Number.isInteger(item) && item >= 0 && item <= 0x7fffffff
          ? [{ type: 'fd', fd: item }]
          : complain('must be a file descriptor: 0 or more');
      }
      if (Array.isArray(item))
        return item.length === 0 ? complain("must not be an empty list: 'ignore' drops a stream") : item.flatMap(read);
      if (typeof item !== 'object' || item === null) return complain(PROBLEM);
      if (direction === 'in' && isReadable(item)) return [{ type: 'source', stream: item }];
      if (direction === 'out' && isWritable(item)) return [{ type: 'sink', stream: item }];
      if (has(item, 'pipe') || has(item, 'write'))
        return complain(`must be a stream that can be ${direction === 'in' ? 'read from' : 'written to'}`);
      const parsed = file.safeParse(item);
      if (!parsed.success) return complain(PROBLEM);
      if (direction === 'in' && parsed.data.append) return complain('append is for outputs');
      return [{ type: 'file', file: parsed.data.file, append: parsed.data.append ?? false }];
    };
    const items = read(value);
    if (direction === 'in' && items.length > 1) return complain('must be one source: a list is for outputs');
    return items;
  });
}

const group = z.union([z.string(), z.int()], { error: 'must be a group name or a gid' }).transform((value, context) => {
  const checked = checkGroup(value);
  if ('group' in checked) return checked.group;
  context.addIssue(checked.problem);
  return z.NEVER;
});

const environment = z.record(
  text.refine((name) => name !== '' && !name.includes('='), "must have names that are not empty and have no '='"),
  text.optional(),
  { error: (issue) => (issue.code === 'invalid_key' ? `has a name that can't be one: ${JSON.stringify(issue.input)}` : undefined) },
);

/** The keys of ProcessOptions and CallOptions, for schemas that contain them; combinations: {@link checkProcess}. */
export const processShape = {
  env: environment.optional(),
  extendEnv: z.boolean().optional(),
  cwd: absolutePath.optional(),
  user: z
    .union([z.string(), z.int()], { error: "must be 'user', 'user:group' or a uid" })
    .transform((value, context) => {
      const checked = checkUser(value);
      if ('user' in checked) return checked.user;
      context.addIssue(checked.problem);
      return z.NEVER;
    })
    .optional(),
  groupAdd: z.array(group).optional(),
  umask: z.int().min(0).max(0o777).optional(),
  stdin: stdio('in').optional(),
  stdout: stdio('out').optional(),
  stderr: stdio('out').optional(),
  encoding: z.enum(['utf8', 'buffer']).optional(),
  buffer: z.boolean().optional(),
  timeout: duration.optional(),
  cpuTimeLimit: duration.optional(),
  killSignal: z
    .unknown()
    .transform((value, context) => {
      const checked = checkSignal(value);
      if ('number' in checked) return checked.number;
      context.addIssue(checked.problem);
      return z.NEVER;
    })
    .optional(),
  forceKillAfterDelay: duration.optional(),
  input: z
    .custom<string | Uint8Array | Readable>(
      (value) =>
        typeof value === 'string' || types.isUint8Array(value) || (typeof value === 'object' && value !== null && isReadable(value)),
      'must be a string, bytes or a stream that can be read from',
    )
    .optional(),
  maxBuffer: sizeSchema().optional(),
  cancelSignal: abortSignal.optional(),
  reject: z.boolean().optional(),
};

const terminalSize = z.strictObject({ columns: z.int().min(1).max(0xffff), rows: z.int().min(1).max(0xffff) });

/** The key of TerminalOptions, for schemas of what runs in a container. */
export const terminalShape = {
  tty: z.union([z.boolean(), terminalSize], { error: 'must be true, false or { columns, rows }' }).optional(),
};

const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseTerminalSize(size: unknown): TerminalSize {
  return parseOptions(terminalSize, size, 'size');
}

const processObject = z.strictObject(processShape);
/** Options of a process as the schema gives them, without defaults. */
export type CheckedProcess = z.output<typeof processObject> & { tty?: boolean | TerminalSize | undefined };

/** Options of a process that can't go together. */
export function checkProcess(options: CheckedProcess, context: Complaints): void {
  const wrong = (option: keyof CheckedProcess, message: string): void => context.addIssue({ code: 'custom', path: [option], message });
  if (options.input !== undefined && options.stdin !== undefined && options.stdin[0]?.type !== 'pipe') {
    wrong('input', "can't go with stdin other than 'pipe': it is written to the pipe");
  }
  if (options.tty) {
    if (options.stderr !== undefined) wrong('stderr', "can't go with tty: a terminal is one stream, and stdout has all of it");
    if (options.stdin?.[0]?.type === 'fd') wrong('stdin', "can't be a descriptor with tty: give a stream");
  }
  const isText = options.encoding !== 'buffer' && options.buffer !== false;
  if (options.maxBuffer !== undefined && options.maxBuffer > constants.MAX_STRING_LENGTH && isText) {
    wrong('maxBuffer', `must be at most ${constants.MAX_STRING_LENGTH} bytes of text: a string holds no more. Use encoding 'buffer'`);
  }
}

/** Fills in the defaults. The options must have been checked. */
export function normaliseProcess(options: CheckedProcess, { pipesOnly = false }: { pipesOnly?: boolean } = {}): ParsedProcess {
  const pipe: readonly StdioItem[] = [{ type: 'pipe' }];
  const ignore: readonly StdioItem[] = [{ type: 'ignore' }];
  const tty = options.tty === true ? DEFAULT_SIZE : options.tty || null;
  return {
    env: options.env ?? {},
    extendEnv: options.extendEnv ?? false,
    cwd: options.cwd ?? null,
    user: options.user ?? null,
    groupAdd: options.groupAdd ?? null,
    umask: options.umask ?? 0o022,
    pipesOnly,
    stdin: options.stdin ?? (options.input === undefined && tty === null ? ignore : pipe),
    stdout: options.stdout ?? pipe,
    stderr: options.stderr ?? (tty === null ? pipe : ignore),
    tty,
    encoding: options.encoding ?? 'utf8',
    buffer: options.buffer ?? true,
    timeout: options.timeout || null,
    cpuTimeLimit: options.cpuTimeLimit || null,
    killSignal: options.killSignal ?? SIGKILL,
    forceKillAfterDelay: options.forceKillAfterDelay ?? FORCE_KILL_AFTER,
    input: options.input ?? null,
    // output that is not kept needs no limit, so it has one only when the caller asks for it
    maxBuffer: options.maxBuffer ?? (options.buffer === false ? null : 100 * 1024 ** 2),
    cancelSignal: options.cancelSignal ?? null,
    reject: options.reject ?? false,
  };
}

/** A program and its arguments. */
export const commandSchema = z
  .array(text)
  .refine((command) => command.length > 0, 'must name a program')
  .refine((command) => command[0] !== '', 'must name a program: its first item is empty');

const programSchema = processObject.superRefine(checkProcess);

/**
 * Checks a ProgramOptions and fills in the defaults.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`, UnsupportedError
 */
export function parseProgramOptions(options: unknown): ParsedProcess {
  return normaliseProcess(parseOptions(programSchema, options, 'options'));
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseCommand(command: unknown): string[] {
  return parseOptions(commandSchema, command, 'command');
}
