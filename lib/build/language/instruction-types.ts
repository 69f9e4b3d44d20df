import type { LineRange } from './build-error.js';
import type { Line } from './parse-lines.js';

/** Where an instruction stands, and how it is written. */
interface Written {
  readonly line: Line;
  readonly lines: LineRange;
}

export interface From extends Written {
  readonly kind: 'from';
  /** As written: an image, or an earlier stage, perhaps with variables. */
  readonly base: string;
  /** In small letters; `null`: it has none. */
  readonly name: string | null;
  /** '' where none is given. */
  readonly platform: string;
}

export interface Arg extends Written {
  readonly kind: 'arg';
  /** `value` is `null` without a default. */
  readonly args: readonly { readonly name: string; readonly value: string | null }[];
}

export interface NameValue {
  readonly name: string;
  readonly value: string;
  /** Written in the old form: `ENV NAME VALUE`. */
  readonly isOld: boolean;
}

export interface Env extends Written {
  readonly kind: 'env';
  readonly pairs: readonly NameValue[];
}

export interface Label extends Written {
  readonly kind: 'label';
  readonly pairs: readonly NameValue[];
}

/** A command as it is written: for a shell, or word for word. */
export interface CommandLine {
  /** For a shell: one text. */
  readonly words: readonly string[];
  readonly isShell: boolean;
}

/** A heredoc's text, leading tabs taken away where that was asked for. */
export interface InlineFile {
  readonly name: string;
  readonly content: string;
  readonly expand: boolean;
}

export interface Run extends Written, CommandLine {
  readonly kind: 'run';
  readonly heredocs: readonly InlineFile[];
  /** Each as it is written: their values have variables. */
  readonly mounts: readonly string[];
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
}

export interface Cmd extends Written, CommandLine {
  readonly kind: 'cmd';
}

export interface Entrypoint extends Written, CommandLine {
  readonly kind: 'entrypoint';
}

export interface Shell extends Written {
  readonly kind: 'shell';
  readonly words: readonly string[];
}

/** What COPY and ADD have in common. */
export interface Transfer extends Written {
  readonly sources: readonly string[];
  readonly inline: readonly InlineFile[];
  readonly target: string;
  readonly chown: string;
  readonly chmod: string;
  readonly link: boolean;
  readonly excludes: readonly string[];
}

export interface Copy extends Transfer {
  readonly kind: 'copy';
  /** '' for the context. */
  readonly from: string;
  readonly parents: boolean;
}

export interface Add extends Transfer {
  readonly kind: 'add';
  readonly checksum: string;
  /** `null`: as the instruction does by itself. */
  readonly unpack: boolean | null;
  readonly keepGitDir: boolean | null;
}

/** An instruction with one text. */
export interface OneText extends Written {
  readonly kind: 'workdir' | 'user' | 'stopsignal' | 'maintainer';
  readonly text: string;
}

export interface Expose extends Written {
  readonly kind: 'expose';
  readonly ports: readonly string[];
}

export interface Volume extends Written {
  readonly kind: 'volume';
  readonly paths: readonly string[];
}

export interface Healthcheck extends Written {
  readonly kind: 'healthcheck';
  /** ['NONE'], ['CMD', …] or ['CMD-SHELL', line]. */
  readonly test: readonly string[];
  /** Milliseconds; 0: not given. */
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
}

export interface Onbuild extends Written {
  readonly kind: 'onbuild';
  /** What it has for later, heredocs included. */
  readonly text: string;
}

export type Instruction =
  | From
  | Arg
  | Env
  | Label
  | Run
  | Cmd
  | Entrypoint
  | Shell
  | Copy
  | Add
  | OneText
  | Expose
  | Volume
  | Healthcheck
  | Onbuild;

/** What a stage has after its FROM. */
export type StageInstruction = Exclude<Instruction, From>;
