import { InstructionProblem } from './build-error.js';
import { expandWord, type Lookup } from './expand-words.js';
import type { Arg } from './instruction-types.js';

/** Build arguments, from the caller. */
export type BuildArgs = Readonly<Record<string, string>>;

/** A platform in its parts, as OCI has them. */
export interface PlatformParts {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

/** Arguments that RUN has in its environment without any ARG, and that are in no history and no cache key. */
export const PROXY_NAMES: readonly string[] = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

export function formatParts({ os, architecture, variant }: PlatformParts): string {
  return [os, architecture, ...(variant ? [variant] : [])].join('/');
}

/** The arguments that are there without being given: what is built, where, and for what. */
export function automaticArgs({
  build,
  target,
  stage,
}: {
  build: PlatformParts;
  target: PlatformParts;
  stage: string;
}): Map<string, string> {
  const of = (prefix: string, platform: PlatformParts): [string, string][] => [
    [`${prefix}PLATFORM`, formatParts(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}OSVERSION`, ''],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ];
  return new Map([...of('BUILD', build), ...of('TARGET', target), ['TARGETSTAGE', stage]]);
}

function given(args: BuildArgs, name: string): string | undefined {
  return Object.hasOwn(args, name) ? args[name] : undefined;
}

/**
 * The variables that FROM sees, and that a stage gets by `ARG NAME`: automatic arguments, then the ARGs before the first FROM.
 *
 * @throws InstructionProblem
 */
export function globalScope(
  globals: readonly Arg[],
  { automatic, args, escaper }: { automatic: ReadonlyMap<string, string>; args: BuildArgs; escaper: string },
): ReadonlyMap<string, string> {
  const scope = new Map([...automatic].map(([name, value]) => [name, given(args, name) ?? value]));
  for (const { args: wanted } of globals)
    for (const { name, value } of wanted) {
      const found =
        given(args, name) ?? (value === null ? undefined : expandWord(value, { escaper, lookup: (key) => scope.get(key) }).text);
      if (found !== undefined) scope.set(name, found);
    }
  return scope;
}

interface ScopeOptions {
  readonly escaper: string;
  readonly args: BuildArgs;
  readonly globals: ReadonlyMap<string, string>;
}

/** What a stage's lines see: ENV of its base and its own, and ARGs; of two with one name the later counts. */
export class StageScope {
  readonly #variables: Map<string, string>;
  readonly #env: Map<string, string>;
  readonly #args: Set<string>;
  readonly #options: ScopeOptions;

  /** @param before the stage that it is on, or the variables of its image */
  constructor(before: StageScope | ReadonlyMap<string, string>, options: ScopeOptions) {
    const isStage = before instanceof StageScope;
    this.#variables = new Map(isStage ? before.#variables : before);
    this.#env = new Map(isStage ? before.#env : before);
    this.#args = new Set(isStage ? before.#args : []);
    this.#options = options;
  }

  /** What is in the image's configuration. */
  get env(): ReadonlyMap<string, string> {
    return this.#env;
  }

  /** What RUN has in its environment. */
  get variables(): ReadonlyMap<string, string> {
    return this.#variables;
  }

  /** The ARGs so far with what they are by now, as the history shows them: an ENV of the same name counts. */
  get args(): readonly (readonly [string, string])[] {
    return [...this.#args].map((name) => [name, this.#variables.get(name) ?? '']);
  }

  get lookup(): Lookup {
    return (name) => this.#variables.get(name);
  }

  /** @throws InstructionProblem */
  expand(word: string): string {
    return expandWord(word, { escaper: this.#options.escaper, lookup: this.lookup }).text;
  }

  /** All values of one ENV see the variables before it. @returns names and values, expanded @throws InstructionProblem */
  setEnv(pairs: readonly { readonly name: string; readonly value: string }[]): readonly (readonly [string, string])[] {
    const expanded = pairs.map(({ name, value }) => [this.expand(name), this.expand(value)] as const);
    for (const [name, value] of expanded) {
      if (name === '') throw new InstructionProblem('ENV names can not be blank');
      this.#env.set(name, value);
      this.#variables.set(name, value);
    }
    return expanded;
  }

  /** @returns names and values, `undefined` for an argument without @throws InstructionProblem */
  setArgs({ args }: Arg): readonly (readonly [string, string | undefined])[] {
    return args.map(({ name: word, value: fallback }) => {
      const name = this.expand(word);
      const { args: all, globals } = this.#options;
      const value = given(all, name) ?? (fallback === null ? globals.get(name) : this.expand(fallback));
      if (value !== undefined) {
        this.#args.add(name);
        this.#variables.set(name, value);
      }
      return [name, value] as const;
    });
  }
}
