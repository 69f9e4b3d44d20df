import { digestOf } from '../../image/formats/digest.js';

/** To be raised when the same input gives other layers than before. */
const VERSION = 5;

/** What all inputs have. */
export interface Common {
  /** The diff ids of the layers below, the lowest first. */
  readonly below: readonly string[];
  /** The latest time that files of the layer have; seconds since the epoch, `null` for none. */
  readonly epoch: number | null;
}

/** What a program sees. What it is given for this once is not among that: proxies, limits. */
export interface RunInput extends Common {
  readonly kind: 'run';
  /** As 'linux/amd64'. */
  readonly platform: string;
  /** What is executed, the shell included. */
  readonly words: readonly string[];
  /** Files that it gets for its run: scripts. */
  readonly files: Readonly<Record<string, { readonly content: string; readonly mode: number }>>;
  /** ENV and ARG. Their order doesn't count: they are given in one of their own. */
  readonly env: ReadonlyMap<string, string>;
  readonly cwd: string;
  readonly user: string;
  readonly network: string;
  readonly security: 'sandbox' | 'insecure';
  /** Of each mount its shape and, where it shows files of a build, their content: `StepMounts.key`. */
  readonly mounts: readonly (readonly (string | number | boolean | null)[])[];
}

export interface CopyInput extends Common {
  readonly kind: 'copy';
  /** Of what is copied: `copiedContent`. */
  readonly content: string;
  /** Absolute; a '/' at its end counts. */
  readonly target: string;
  /** `--chown` as it is written, its variables expanded: its names are looked up in the layers below. */
  readonly chown: string;
  /** Sources keep the folders that they are in. */
  readonly parents: boolean;
  /** Of folders that are made on the way. */
  readonly folderMode: number;
  /** Which archives are unpacked: those of the context, those that are fetched too, or none. */
  readonly unpacks: 'none' | 'local' | 'all';
}

export interface WorkdirInput extends Common {
  readonly kind: 'workdir';
  readonly path: string;
  readonly user: string;
}

/** All that a step's layer follows from. */
export type StepInput = RunInput | CopyInput | WorkdirInput;

/** The key of a step: equal for equal inputs alone. */
export function stepKey(input: StepInput): string {
  return digestOf(Buffer.from(JSON.stringify([VERSION, input.kind, input.below, input.epoch, ...fields(input)])));
}

function fields(input: StepInput): readonly unknown[] {
  switch (input.kind) {
    case 'run':
      return [
        input.platform,
        input.words,
        sorted(Object.entries(input.files)).map(([path, { content, mode }]) => [path, content, mode]),
        sorted([...input.env]),
        input.cwd,
        input.user,
        input.network,
        input.mounts,
        ...(input.security === 'sandbox' ? [] : [input.security]),
      ];
    case 'copy':
      return [input.content, input.target, input.chown, input.folderMode, input.parents, input.unpacks];
    case 'workdir':
      return [input.path, input.user];
  }
}

/** By names, in the order of their code units, which is the same everywhere. */
export function sorted<T>(entries: readonly (readonly [string, T])[]): (readonly [string, T])[] {
  return entries.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
