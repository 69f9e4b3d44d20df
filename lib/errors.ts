import { types } from 'node:util';

/** Control characters but the tab, characters that change a line's direction or can't be seen, and halves of characters. */
const UNPRINTABLE = /(?!\t)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * A text as it may go to a terminal or into a log: parts of it come from an image, a registry or a program, and must not move the cursor or
 * begin a line there.
 */
function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    if (character === '\n') return '\\n';
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
  });
}

/** Shared by all copies of the module. */
const BRAND = Symbol.for('nacelle.error');

/**
 * What every error of nacelle has: a stable `code`, and both failures when undoing failed as well.
 *
 * A program may load the package twice, by `import` and by `require`, or in two versions: `instanceof` tells the errors of one copy alone.
 * `name` and `code` are the same in all of them.
 */
export class NacelleError extends Error {
  override readonly name: string = 'NacelleError';
  /** Stable, for programs: `ERR_INVALID_OPTION`, `ERR_SYSCALL`, `ERR_UNSUPPORTED`, … */
  readonly code: string;
  /** The failure of undoing, when that failed too: an AggregateError when there are several. The first failure is the error itself. */
  declare readonly cleanupError?: Error;

  /** @internal */
  get [BRAND](): true {
    return true;
  }

  /** @param message one line, or a list of lines: a text of others in one of them can't make more lines, see {@link printable} */
  constructor(message: string | readonly string[], options: { code: string; cause?: unknown; cleanupError?: Error }) {
    super(
      typeof message === 'string' ? printable(message) : message.map(printable).join('\n'),
      'cause' in options ? { cause: options.cause } : undefined,
    );
    this.code = options.code;
    if (options.cleanupError) this.cleanupError = options.cleanupError;
  }
}

// No value that comes from outside is tested by `instanceof`: Jest and vitest run tests in a vm context, whose classes are others than
// those of Node's own modules.

/** Whether something thrown is an error: Node's own, of whatever realm, or a DOMException, which is the reason of an aborted signal. */
export function isError(thrown: unknown): thrown is Error {
  return types.isNativeError(thrown) || Object.prototype.toString.call(thrown) === '[object DOMException]';
}

/** Whether something thrown is one of our errors, by whichever copy of the module it was made. */
export function isNacelleError(thrown: unknown): thrown is NacelleError {
  return isError(thrown) && BRAND in thrown;
}

/** What was thrown, as an Error: JavaScript lets one throw anything. */
export function toError(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Error(String(thrown));
}

/** The `code` of an error: 'ENOENT', 'ERR_STREAM_PREMATURE_CLOSE'. */
export function codeOf(thrown: unknown): string | undefined {
  return isError(thrown) && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;
}

export function hasCode(thrown: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(codeOf(thrown) ?? '');
}

/** The number of a system call's error, as in errno(3): Node has it below 0, the addon above. */
export function errnoOf(thrown: unknown): number | undefined {
  return isError(thrown) && 'errno' in thrown && typeof thrown.errno === 'number' ? Math.abs(thrown.errno) : undefined;
}

/** Several failures as one; the only one is itself. */
export function allOf(errors: readonly Error[]): Error | undefined {
  return errors.length > 1 ? new AggregateError(errors, errors.map(({ message }) => message).join('; ')) : errors[0];
}

/** The failure itself, with that of undoing if it failed too. Anything thrown that is no error of ours stays as it is. */
export function withCleanupError(error: unknown, failure: Error | undefined): unknown {
  if (!failure || !(error instanceof NacelleError)) return error;
  const cleanupError = allOf([...(error.cleanupError ? [error.cleanupError] : []), failure]);
  return Object.assign(error, { cleanupError });
}

/** Several failures as the first of them, which has the others as its `cleanupError`; all of them as one where the first is no error of ours. */
export function oneOf(errors: readonly Error[]): Error | undefined {
  const [first, ...others] = errors;
  return first instanceof NacelleError ? toError(withCleanupError(first, allOf(others))) : allOf(errors);
}

/** Does all of these in turn, each even when one before it failed. @throws the failures as one */
export async function doAll(works: readonly (() => unknown)[]): Promise<void> {
  const failures: Error[] = [];
  for (const work of works) {
    try {
      await work();
    } catch (error) {
      failures.push(toError(error));
    }
  }
  const failure = oneOf(failures);
  if (failure) throw failure;
}

/** What cures EMFILE and ENFILE. */
export const TOO_MANY_FILES = 'Too many descriptors are open: raise the limit on open files (ulimit -n)';

/** A system call failed. The message says what was being done, on which path, and what usually cures it. */
export class SyscallError extends NacelleError {
  override readonly name = 'SyscallError';
  /** Positive, as in errno(3). */
  readonly errno: number;
  /** The kernel's name of the call, or of the step where several belong together. */
  readonly syscall: string;
  /** The plan's step that failed, or `null` outside a plan. */
  readonly step: string | null;
  readonly path: string | null;
  readonly hint: string | null;

  constructor(
    message: string,
    options: {
      errno: number;
      errnoName: string;
      syscall: string;
      step?: string | null;
      path?: string | null;
      hint?: string | null;
      cause?: unknown;
      cleanupError?: Error;
    },
  ) {
    super(message, { ...options, code: options.errnoName });
    this.errno = options.errno;
    this.syscall = options.syscall;
    this.step = options.step ?? null;
    this.path = options.path ?? null;
    this.hint = options.hint ?? null;
  }
}

/** This machine, this user or this version of nacelle can't do it. Nothing was made. */
export class UnsupportedError extends NacelleError {
  override readonly name = 'UnsupportedError';
  readonly feature: string;
  readonly reason: string;
  /** What would make it work, or `null`. */
  readonly fix: string | null;

  constructor(feature: string, reason: string, fix: string | null = null, options: { cause?: unknown } = {}) {
    super(`${feature} is not supported here: ${reason}${fix ? `. ${fix}` : ''}`, { code: 'ERR_UNSUPPORTED', ...options });
    this.feature = feature;
    this.reason = reason;
    this.fix = fix;
  }
}

/** An image can't be found, read or trusted. */
export class ImageError extends NacelleError {
  override readonly name = 'ImageError';
  readonly reference: string | null;
  readonly digest: string | null;

  constructor(message: string, options: { reference?: string | null; digest?: string | null; code?: string; cause?: unknown } = {}) {
    super(message, { ...options, code: options.code ?? 'ERR_IMAGE' });
    this.reference = options.reference ?? null;
    this.digest = options.digest ?? null;
  }
}

/**
 * A plugin of CNI has failed. `code`: ERR_CNI_REFUSED (its error result), ERR_CNI_ENDED (it died, failed without one, or is in no folder any more),
 * ERR_CNI_TIMEOUT, ERR_CNI_OUTPUT (it printed what can't be understood). After a failed ADD all plugins of the network were told DEL.
 */
export class CniError extends NacelleError {
  override readonly name = 'CniError';
  /** Its `type` in the configuration. */
  readonly plugin: string;
  /** The executable; '' where no folder has it. */
  readonly path: string;
  /** 'ADD', 'DEL', 'CHECK', 'GC', 'STATUS' or 'VERSION'. */
  readonly command: string;
  /** The number in the plugin's error result (SPEC.md, section 5: up to 99 they are the specification's); `null` where it printed none. */
  readonly pluginCode: number | null;
  /** What the error result, or standard error, says beyond the message. */
  readonly details: string | null;

  constructor(
    message: string,
    options: {
      code: 'ERR_CNI_REFUSED' | 'ERR_CNI_OUTPUT' | 'ERR_CNI_TIMEOUT' | 'ERR_CNI_ENDED';
      plugin: string;
      path: string;
      command: string;
      pluginCode?: number | null;
      details?: string | null;
      cause?: unknown;
    },
  ) {
    super(message, options);
    this.plugin = options.plugin;
    this.path = options.path;
    this.command = options.command;
    this.pluginCode = options.pluginCode ?? null;
    this.details = options.details ?? null;
  }
}

/** An option is wrong: unknown, of the wrong type, or impossible beside another. Nothing was made. */
export function invalidOption(option: string, problem: string, cause?: unknown): NacelleError {
  return new NacelleError(`option ${option}: ${problem}`, { code: 'ERR_INVALID_OPTION', ...(cause === undefined ? {} : { cause }) });
}

/** Whether undoing failed as well. */
export function hasCleanupError(error: unknown): boolean {
  return error instanceof NacelleError && error.cleanupError !== undefined;
}
