import type { Readable, Writable } from 'node:stream';
import * as z from 'zod';
import type { Image } from '../../image/image.js';
import { platform as platformSchema } from '../../image/image-options.js';
import { abortSignal, bytes, duration } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import type { ProgressEvent } from '../../options/progress.js';
import { type Size, sizeSchema } from '../../options/size.js';
import type { LintRule } from '../lint/lint-rules.js';
import type { SecretSource } from '../mounts/secrets.js';
import { fromSchema, stepsSchema } from '../steps/step-schema.js';
import type { BuildInstruction } from '../steps/step-types.js';
import { type BuildCacheOptions, cacheSchema, type ParsedCache, parsedCache } from './cache-option.js';
import { contextSchema, contextsSchema, type FilesByPath } from './context-options.js';
import { defaultNetwork } from './default-network.js';
import { type WantedPlatforms, wantedPlatforms } from './platform-options.js';
import { withStepsWritten } from './steps-option.js';

/** What happens while an image is built. */
export type BuildEvent =
  /**
   * A stage begins, when the one that it is on is done; or all of it is built. `base` is what FROM names, as it is written, `line` that of FROM.
   */
  | {
      readonly type: 'stage';
      readonly stage: string;
      readonly base: string;
      readonly line: number;
      /** What the stage is for: its own platform, or that which is built for. As 'linux/arm64'. */
      readonly platform: string;
      readonly status: 'started' | 'done';
    }
  /** An image that FROM or `--from` names is pulled: what `Image.pull` tells of a layer. */
  | { readonly type: 'pull'; readonly reference: string; readonly layer: ProgressEvent }
  /** A step begins, beside those of other stages. `number` counts the steps of all stages that are needed, as they begin, from 1 to `of`. */
  | {
      readonly type: 'step';
      readonly stage: string;
      readonly number: number;
      readonly of: number;
      readonly instruction: string;
      readonly line: number;
      /** That of the stage. */
      readonly platform: string;
    }
  /** A step is over. `cached` as in {@link BuildStep}. */
  | { readonly type: 'done'; readonly number: number; readonly cached: boolean | null; readonly durationMs: number }
  /** What the program of RUN has written. */
  | { readonly type: 'output'; readonly number: number; readonly stream: 'stdout' | 'stderr'; readonly text: string };

/** A step of a build, as it went. */
export interface BuildStep {
  /** The stage's name, or its number from 0. */
  readonly stage: string;
  /** The instruction as it is written. */
  readonly instruction: string;
  /** From 1. */
  readonly line: number;
  /** What the stage is for, as 'linux/arm64': the platform that FROM has, or that which is built for. */
  readonly platform: string;
  /** Whether the result of an earlier build, or of another stage or platform of this one, was taken; `null` for an instruction that changes no files, such as ENV. */
  readonly cached: boolean | null;
  /** From the step's begin, when its turn has come, to its end. */
  readonly durationMs: number;
}

/** Something that is probably not meant. docs/build.md has the rules; a Dockerfile chooses among them by its directive `check`. */
export interface BuildWarning {
  /**
   * The rule of BuildKit's by which that was found; `null` for what is not in the Dockerfile: a build argument that no ARG asks for, a cache that can't be
   * read, a program of this machine that ADD starts without ids of its own.
   */
  readonly rule: LintRule | null;
  readonly message: string;
  readonly file: string;
  /** From 1; 0 where no line is to blame. */
  readonly line: number;
}

/** What is built of what. */
export interface BuildOptions {
  /**
   * What COPY and ADD take files from: a folder, by default the current one; or files by their paths in it, of mode 0644; or the stream of a tar, which
   * may be compressed by gzip, bzip2, xz or zstd, and is read to its end. Its `.dockerignore` says what is left out.
   */
  readonly context?: string | FilesByPath | Readable | undefined;
  /**
   * What names in FROM and `--from` mean, as they are written there: an image, a folder, files by their paths, 'docker-image://NAME', or
   * 'oci-layout://FOLDER:TAG'. They take the place of stages and images of these names. A folder has its own `.dockerignore`; a stage on one has its files as the first layer.
   */
  readonly contexts?: Readonly<Record<string, string | FilesByPath | Image>> | undefined;
  /**
   * The Dockerfile: a path below the context or an absolute one, or its text. Default 'Dockerfile' in the context. An ignore file beside it,
   * `NAME.dockerignore`, takes the place of the context's.
   */
  readonly dockerfile?: string | { readonly path: string } | { readonly content: string } | undefined;
  /**
   * What is built, in the place of a Dockerfile: steps, which functions make, `run()`, `copy()`, `env()` and so on. The image, its layers and their keys
   * in the cache are those of the Dockerfile with the same instructions. The ignore file is the context's.
   */
  readonly steps?: readonly BuildInstruction[] | undefined;
  /** The image that `steps` are on: one of the store or of a registry, or a name of `contexts`. Default 'scratch'. */
  readonly from?: string | undefined;
  /** The stage that is wanted: its name or its number, from 0. Default: the last. */
  readonly target?: string | undefined;
  /**
   * What is built for: 'linux/arm64', 'linux/arm/v7', 'arm64'. Images of FROM and `--from` have to be for it. A RUN of another architecture than this machine's
   * needs an emulator that binfmt_misc has (Debian's qemu-user-static), and is an UnsupportedError without, before anything is carried out. Default: what
   * Node runs on, and whatever is in the store.
   */
  readonly platform?: string | undefined;
  /** Several, in the place of `platform`: each is built, side by side, and the image is an index of all. */
  readonly platforms?: readonly string[] | undefined;
  /** Values for ARG. Those of `HTTP_PROXY`, `HTTPS_PROXY`, `FTP_PROXY`, `NO_PROXY`, `ALL_PROXY` (in either case) need no ARG, and stay out of the image. */
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  /** Names for the image in the store. */
  readonly tags?: readonly string[] | undefined;
  /** Labels, over those of the Dockerfile. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /**
   * The network of RUN, as of {@link ContainerOptions.network}: 'none', 'bridge', 'pasta' or 'host'; 'default' is 'bridge' for root,
   * 'pasta' for another user who can have that, and else 'none' with a warning. Default 'none'. `RUN --network=none` has none; `RUN --network=host` is refused unless `allow` has 'network.host'. ADD fetches URLs and git
   * repositories with any but 'none', by connections that begin in this network, but for those to the proxies of the environment, which this process makes; names
   * need getent(1) there. Loopback and link-local addresses are reached with 'host' alone.
   */
  readonly network?: 'default' | 'none' | 'bridge' | 'pasta' | 'host' | undefined;
  /**
   * What the Dockerfile may ask for and doesn't get by itself: 'network.host' is for `RUN --network=host`, 'security.insecure' for
   * `RUN --security=insecure`, whose program has all capabilities, no filter of system calls, and nothing hidden or read-only in /proc and /sys. Of root's
   * that is as good as this machine's root. Default: neither.
   */
  readonly allow?: readonly ('network.host' | 'security.insecure')[] | undefined;
  /** When to pull images that FROM and `--from` name. Default 'missing'. */
  readonly pull?: 'missing' | 'never' | 'always' | undefined;
  /**
   * Takes the layers of steps that an earlier build has carried out on the same files, with the same input. Default true; `false` carries all
   * out, and puts their layers in the place of those. {@link BuildCache} shows and removes them. An object: also takes layers from elsewhere, and
   * brings them there.
   */
  readonly cache?: boolean | BuildCacheOptions | undefined;
  /** Default false; see {@link CheckOptions}. */
  readonly check?: false | undefined;
  /**
   * What `RUN --mount=type=secret` is given, by ids: text, bytes, `env`: a variable of this process, or `file`: a path; at most 500 KiB each.
   * No layer, history or key of the cache has any of it. One that a Dockerfile names and that is not here is a file that is missing, or an error where it is
   * `required`. ADD sends GIT_AUTH_TOKEN and GIT_AUTH_HEADER, or these with '.HOST' behind, to the host of a git repository's URL.
   */
  readonly secrets?: Readonly<Record<string, SecretSource>> | undefined;
  /**
   * What `RUN --mount=type=ssh` reaches, by ids, of which 'default' is the usual one and what ADD has for git repositories by SSH: paths of
   * agents' sockets, or 'default' for that of SSH_AUTH_SOCK.
   */
  readonly ssh?: Readonly<Record<string, string>> | undefined;
  /** Whose `RUN --mount=type=cache` these are: builds with another name have other caches, whatever ids their Dockerfiles write. Default 'default'. */
  readonly cacheNamespace?: string | undefined;
  /** Memory of each RUN, and of each program that ADD starts (git, xz, bzip2): bytes, or a text such as '512m'. Default: no limit. */
  readonly memory?: Size | undefined;
  /** Processors of each RUN and of each such program, also parts of one. Default: no limit. */
  readonly cpus?: number | undefined;
  /** Processes and threads of each RUN, and of each such program, at one time. Default: no limit. */
  readonly pidsLimit?: number | undefined;
  /** Limit of wall clock time of each RUN, of each such program, and of each file that ADD fetches, ms. 0, the default, is none. */
  readonly timeout?: number | undefined;
  /**
   * 'auto': each RUN has a user namespace of its own, as of {@link ContainerOptions.userns}, so that root of the image is an ordinary id on this
   * machine; files have the same owners in the layer. Default 'host'. An ordinary user's RUNs have that user's anyway: 'auto' is an
   * UnsupportedError then.
   */
  readonly userns?: 'host' | 'auto' | undefined;
  /**
   * Seconds since 1970: the time of the image and of its history, and the latest that any file of its layers has. Default: the build argument
   * SOURCE_DATE_EPOCH (reproducible-builds.org), or else the environment's, or else that of an ARG before the first FROM, or else none. An ARG of that name
   * has it, too.
   */
  readonly sourceDateEpoch?: number | undefined;
  /**
   * Where the image's files go besides, all layers together, when they are built: a folder, which is empty or made, of mode 0700 and with all files the
   * caller's own; or a tar, not compressed, with owners as they are in the image, as a file or into a stream, which is ended. With several `platforms` a folder has one
   * for each, named as `linux_arm64`, and a tar is refused.
   */
  readonly output?: { readonly directory: string } | { readonly tar: string | Writable } | undefined;
  /** Its abort ends the build, which rejects with its reason when nothing of it runs any more. Default: none. */
  readonly cancelSignal?: AbortSignal | undefined;
  /** Called with each event, as it happens. What it throws ends the build, which rejects with that. */
  readonly onProgress?: ((event: BuildEvent) => void) | undefined;
}

export interface BuildResult {
  /** In the store, under `tags`, or without a name. Of several `platforms` all: this image's `index` has the digests. */
  readonly image: Image;
  readonly warnings: readonly BuildWarning[];
  /** Those of all stages that the target needed, platform by platform and stage by stage, each after those that it needs: whichever was faster. */
  readonly steps: readonly BuildStep[];
}

/** A build that goes on: a promise of what comes of it, and its events for `for await`. */
export type Build = Promise<BuildResult> & AsyncIterable<BuildEvent>;

/** Nothing is built: the Dockerfile is only looked at. */
export interface CheckOptions extends Omit<BuildOptions, 'check'> {
  /**
   * Only looks for what is probably not meant. Images that FROM names are taken or pulled as for a build. Without `target` all stages are looked
   * at, where a build has only the warnings of those that it needs.
   */
  readonly check: true;
}

/** What a Dockerfile was found to have, with `check: true`. */
export type BuildCheck = Pick<BuildResult, 'warnings'>;

const text = z.string().refine((value) => !value.includes('\0'), 'must have no NUL byte');
const word = text.min(1);

function isWritable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'write' in value && typeof value.write === 'function' && 'pipe' in value;
}

// no message has what was given in the place of a secret
const SECRETS = 'must be an object, by ids, of texts, bytes, { env: NAME } and { file: PATH }';

function isSecrets(value: unknown): boolean {
  const source = z.union([z.string(), bytes, z.strictObject({ env: word }), z.strictObject({ file: word })]);
  return z.record(z.string(), source).safeParse(value).success;
}

const given = z.strictObject({
  context: contextSchema,
  contexts: contextsSchema,
  dockerfile: z
    .union([word, z.strictObject({ path: word }).transform(({ path }) => path), z.strictObject({ content: z.string() })])
    .optional(),
  steps: stepsSchema.optional(),
  from: fromSchema.optional(),
  target: word.optional(),
  platform: platformSchema.optional(),
  platforms: z.array(platformSchema).min(1).optional(),
  buildArgs: z.record(z.string(), text).default({}),
  tags: z.array(word).default([]),
  labels: z.record(z.string(), z.string()).default({}),
  network: z.enum(['default', 'none', 'bridge', 'pasta', 'host']).default('none'),
  allow: z.array(z.enum(['network.host', 'security.insecure'])).default([]),
  pull: z.enum(['missing', 'never', 'always']).default('missing'),
  cache: cacheSchema,
  check: z.boolean().default(false),
  secrets: z.custom<Readonly<Record<string, SecretSource>>>(isSecrets, SECRETS).default({}),
  ssh: z.record(z.string(), word).default({}),
  cacheNamespace: word.default('default'),
  memory: sizeSchema().optional(),
  cpus: z.number().positive().optional(),
  pidsLimit: z.int().min(1).max(4_194_304).optional(),
  timeout: duration.default(0),
  userns: z.enum(['host', 'auto']).default('host'),
  sourceDateEpoch: z.int().min(0).max(253_402_300_799).optional(),
  output: z
    .union([z.strictObject({ directory: word }), z.strictObject({ tar: z.union([word, z.custom<Writable>(isWritable)]) })])
    .optional(),
  cancelSignal: abortSignal.optional(),
  onProgress: z.custom<(event: BuildEvent) => void>((value) => typeof value === 'function', 'must be a function').optional(),
});
const schema = given.transform(withStepsWritten);

type Wanted = z.output<typeof schema>;

export interface ParsedBuild extends Omit<Wanted, 'network' | 'cache' | 'platform' | 'platforms'> {
  readonly wanted: WantedPlatforms;
  readonly cache: ParsedCache;
  readonly network: Exclude<Wanted['network'], 'default'>;
  /** The default network was asked for, and there is none. */
  readonly lacksNetwork: boolean;
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseBuildOptions(options: unknown, networkByDefault: () => ParsedBuild['network'] = defaultNetwork): ParsedBuild {
  const { network: asked, cache, platform, platforms, ...others } = parseOptions(schema, options, 'options');
  const network = asked === 'default' ? networkByDefault() : asked;
  const wanted = wantedPlatforms({ platform, platforms, output: others.output });
  return { ...others, cache: parsedCache(cache), network, lacksNetwork: asked === 'default' && network === 'none', wanted };
}
