/** How RUN is carried out. */
export interface RunStepOptions {
  /** Each as `RUN --mount=` has it: `'type=cache,target=/root/.npm'`. */
  readonly mounts?: readonly string[] | undefined;
  /** As `RUN --network=` has it. Default 'default', the network of the build. */
  readonly network?: 'default' | 'none' | 'host' | undefined;
}

/** How files are copied, for COPY and ADD. */
export interface TransferStepOptions {
  /** Whose the files become: names or numbers, `'user'` or `'user:group'`. */
  readonly chown?: string | undefined;
  /** Octal or symbolic. */
  readonly chmod?: string | undefined;
  /** Copies as if there were no files before. Default false. */
  readonly link?: boolean | undefined;
  /** Patterns of what is left out, as an ignore file has them. Variables have no meaning in them. */
  readonly exclude?: readonly string[] | undefined;
}

export interface CopyStepOptions extends TransferStepOptions {
  /** An image, or a name of the option `contexts`, that files are taken from. Default: the context. */
  readonly from?: string | undefined;
  /** Keeps the folders that a source is in. Default false. */
  readonly parents?: boolean | undefined;
}

export interface AddStepOptions extends TransferStepOptions {
  /** What a file that is fetched must have: `'sha256:…'`. */
  readonly checksum?: string | undefined;
  /** Whether archives are unpacked. Default: those of the context are, and files that are fetched are not. */
  readonly unpack?: boolean | undefined;
}

/** How often a container's health is asked for; times in ms, of which 1 is the least. What is left out is docker's default. */
export interface HealthcheckStepOptions {
  readonly interval?: number | undefined;
  readonly timeout?: number | undefined;
  readonly startPeriod?: number | undefined;
  readonly startInterval?: number | undefined;
  readonly retries?: number | undefined;
}

/** Either a text for the stage's shell, or words that are executed as they are. */
export type StepCommand = string | readonly string[];

/**
 * A step of {@link BuildOptions.steps}: what an instruction of a Dockerfile is. Functions with the instructions' names make them.
 *
 * Where a Dockerfile puts values in the places of variables, `$NAME`, `${NAME}` and the other forms mean the same here, `\$` is a dollar sign and `\\` a backslash. All
 * other characters stand for themselves: quotes, blanks, and a backslash before something else.
 */
export type BuildInstruction =
  | { readonly kind: 'arg'; readonly name: string; readonly value?: string | undefined }
  | { readonly kind: 'env'; readonly variables: Readonly<Record<string, string>> }
  | { readonly kind: 'label'; readonly labels: Readonly<Record<string, string>> }
  | ({ readonly kind: 'run'; readonly command: StepCommand } & RunStepOptions)
  | ({ readonly kind: 'copy'; readonly sources: readonly string[]; readonly target: string } & CopyStepOptions)
  | ({ readonly kind: 'add'; readonly sources: readonly string[]; readonly target: string } & AddStepOptions)
  | { readonly kind: 'workdir'; readonly path: string }
  | { readonly kind: 'user'; readonly user: string }
  | { readonly kind: 'cmd'; readonly command: StepCommand }
  | { readonly kind: 'entrypoint'; readonly command: StepCommand }
  | { readonly kind: 'shell'; readonly words: readonly string[] }
  | { readonly kind: 'expose'; readonly ports: readonly (number | string)[] }
  | { readonly kind: 'volume'; readonly paths: readonly string[] }
  | { readonly kind: 'stopsignal'; readonly signal: string }
  | ({ readonly kind: 'healthcheck'; readonly command: StepCommand } & HealthcheckStepOptions);

/** The step of one kind. */
export type StepOf<K extends BuildInstruction['kind']> = Extract<BuildInstruction, { readonly kind: K }>;
