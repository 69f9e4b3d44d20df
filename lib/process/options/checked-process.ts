import type { Readable, Writable } from 'node:stream';
import type { Encoding, TerminalSize } from './process-types.js';

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
