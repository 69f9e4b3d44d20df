import { invalidOption, withCleanupError } from '../errors.js';
import { isOfTheSystem } from '../image/as-image-errors.js';
import { currentPlatform } from '../image/formats/platform.js';
import { formatReference, parseRegistryName } from '../image/formats/reference.js';
import { now } from '../native/clock.js';
import { wordsOf } from '../native/system-errors.js';
import { holdSource, letSourceGo } from '../process/streams/held-source.js';
import { type CarriedOutStep, exportCache } from './cache/export-cache.js';
import { openCaches } from './cache/open-caches.js';
import { StepCache } from './cache/step-cache.js';
import { checkFile } from './check.js';
import { buildDate, SOURCE_DATE_EPOCH, withDateArg } from './execute/build-date.js';
import {
  type Build,
  type BuildCheck,
  type BuildEvent,
  type BuildOptions,
  type BuildResult,
  type BuildWarning,
  type CheckOptions,
  type ParsedBuild,
  parseBuildOptions,
} from './execute/build-options.js';
import { requireFree, writeOutput } from './execute/build-output.js';
import { BuildProgress } from './execute/build-progress.js';
import { type Contexts, folderNamedIn, openContexts } from './execute/contexts.js';
import { EventFeed } from './execute/event-feed.js';
import { ForeignPrograms } from './execute/foreign-programs.js';
import { NamedImages } from './execute/named-images.js';
import { stagePlatforms, type Target } from './execute/stage-platforms.js';
import type { StageState } from './execute/stage-state.js';
import { StagesBuilder } from './execute/stages-builder.js';
import { storeImages } from './execute/store-images.js';
import { requireSupported } from './execute/supported.js';
import { readDockerfile } from './files/dockerfile-source.js';
import type { Warn } from './files/host-program.js';
import { BuildError, InstructionProblem } from './language/build-error.js';
import { type Dockerfile, withPlace } from './language/dockerfile.js';
import type { IgnoreRules } from './language/ignore-file.js';
import { automaticArgs, globalScope, PROXY_NAMES } from './language/scopes.js';
import { stageGraph } from './language/stage-graph.js';
import { agentSockets, readSecrets } from './mounts/secrets.js';
import type { MountSources } from './mounts/step-mounts.js';

/**
 * Builds an image from a Dockerfile, as BuildKit does, in this process: each RUN is a container, each step that changes files a layer. The image
 * comes into the store when all of it is there. docs/build.md tells what a Dockerfile may have.
 *
 * `for await` gives the events from its beginning on; at its end it throws what the promise rejects with. RUNs wait for a loop that has not read 64
 * events that came. A loop that breaks off leaves the build going on.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`; BuildError `ERR_DOCKERFILE` for what is wrong in the Dockerfile, and for a warning where the file
 *   asks for that (`# check=error=true`), but with `check: true`; `ERR_BUILD` for a step that has failed, with `result` where that was a program;
 *   UnsupportedError for a RUN whose programs nothing here executes, before anything is carried out; the reason of `cancelSignal`
 */
export function build(options: CheckOptions): Promise<BuildCheck> & AsyncIterable<BuildEvent>;
export function build(options?: BuildOptions): Build;
export function build(options: BuildOptions | CheckOptions): Promise<BuildResult | BuildCheck> & AsyncIterable<BuildEvent>;
export function build(options: BuildOptions | CheckOptions = {}): Promise<BuildResult | BuildCheck> & AsyncIterable<BuildEvent> {
  const feed = new EventFeed<BuildEvent>();
  const result = built(options, feed);
  return Object.assign(result, { [Symbol.asyncIterator]: () => eventsOf(result, feed) });
}

/** A check carries nothing out, so that it needs none of these. */
const NOTHING_GIVEN = { secrets: new Map<string, Buffer>(), ssh: new Map<string, string>() };

async function built(options: BuildOptions | CheckOptions, feed: EventFeed<BuildEvent>): Promise<BuildResult | BuildCheck> {
  try {
    const parsed = withDateArg(parseBuildOptions(options));
    holdSource(parsed.context);
    const tags = parsed.tags.map((tag) => tagName(tag));
    if (parsed.output && !parsed.check) await requireFree(parsed.output);
    const given = parsed.check ? NOTHING_GIVEN : { secrets: await readSecrets(parsed.secrets), ssh: agentSockets(parsed.ssh) };
    const told: string[] = [];
    const warn = (message: string): void => void told.push(message);
    const contexts = await openContexts(parsed, warn);
    let result: BuildResult | BuildCheck;
    try {
      const { file, ignored } = await readDockerfile({ context: contexts.folder, dockerfile: parsed.dockerfile }, contexts.tree);
      result = await buildFrom(file, { contexts, ignored, options: parsed, tags, feed, given, warn });
      result = { ...result, warnings: [...result.warnings, ...warningsOf(told, file)] };
    } catch (error) {
      throw withCleanupError(asOurs(error, parsed.cancelSignal), await contexts.close());
    }
    const failure = await contexts.close();
    if (failure) throw failure;
    return result;
  } catch (error) {
    throw asOurs(error, options.cancelSignal);
  } finally {
    letSourceGo(options.context);
    feed.end();
  }
}

/** What a system call of Node's own has failed with becomes an error of the build; all else stays, and so does the reason of an abort. */
function asOurs(error: unknown, signal: AbortSignal | undefined): unknown {
  return isOfTheSystem(error) && !signal?.aborted ? new BuildError(`build: ${wordsOf(error)}`, { file: '', line: 0, cause: error }) : error;
}

async function* eventsOf(result: Promise<unknown>, feed: EventFeed<BuildEvent>): AsyncGenerator<BuildEvent, void, undefined> {
  // the loop throws why the build has failed, when it has read what came before
  result.catch(() => undefined);
  yield* feed.read();
  await result;
}

interface Sources {
  readonly contexts: Contexts;
  readonly ignored: IgnoreRules;
  readonly options: ParsedBuild;
  readonly tags: readonly string[];
  readonly feed: EventFeed<BuildEvent>;
  readonly given: Pick<MountSources, 'secrets' | 'ssh'>;
  readonly warn: Warn;
}

async function buildFrom(
  file: Dockerfile,
  { contexts, ignored, options, tags, feed, given, warn }: Sources,
): Promise<BuildResult | BuildCheck> {
  const plans = targetsOf(options).map((target) => plan(file, options, target));
  const stop = new AbortController();
  const signals = options.cancelSignal ? [options.cancelSignal, stop.signal] : [stop.signal];
  const own = { ...options, cancelSignal: AbortSignal.any(signals) };
  const progress = new BuildProgress(options.onProgress, feed);
  const programs = new ForeignPrograms(file, own.cancelSignal);
  if (!options.check) await requirePrograms(plans, programs);
  const images = new NamedImages(contexts.named, { options: own, progress });
  try {
    // the checks and the build take the same image, also when a name is given to another one meanwhile
    const imageNamed = images.named;
    const isFolder = (name: string): boolean => folderNamedIn(contexts.named, name) !== null;
    const found: BuildWarning[] = [];
    for (const one of plans) found.push(...besides(found, await checkFile(file, { ...one, ignored, options, imageNamed, isFolder })));
    const warnings = [...found, ...unusedArgs(file, options), ...withoutNetwork(file, options)];
    if (options.check) return { warnings };
    const { imported, problems } = await openCaches(options.cache.from, own.cancelSignal);
    const began = Math.floor(now() / 1000);
    const { cacheNamespace, cancelSignal: signal } = own;
    const mountSources = { context: { tree: contexts.tree, ignored }, ...given, cacheNamespace, signal };
    const inputs = plans.map((one) => ({
      ...{ ...one, file, options: own, ignored, now: began, imageNamed, programs, warn },
      ...{ context: contexts.tree, contexts: contexts.named, mountSources },
    }));
    const cache = new StepCache({ reads: options.cache.reads, imported, now: began });
    const builder = new StagesBuilder(inputs, { cache, stop, progress });
    // what is to end waits for nobody
    own.cancelSignal.addEventListener('abort', () => feed.hurry(), { once: true });
    try {
      const states = await builder.build();
      const built = states.flatMap((one, index) =>
        plans.slice(index, index + 1).map(({ epoch, target }) => ({ state: one, epoch, target })),
      );
      const outputs = built.map(({ state, target }) => ({ layers: state.layers, platform: target.platform }));
      if (options.output) await writeOutput(outputs, options.output, own.cancelSignal);
      const image = await storeImages(built, { tags, options, now: began });
      const { to, mode } = options.cache;
      if (to) await exportCache(chosenSteps(await builder.outcomes, mode, states), to, own.cancelSignal);
      return { image, warnings: [...warnings, ...problems], steps: builder.steps };
    } finally {
      builder.close();
      for (const one of imported) await one.close();
    }
  } finally {
    images.close();
  }
}

function targetsOf({ wanted: { asked } }: ParsedBuild): readonly Target[] {
  return asked ? asked.map((platform) => ({ platform, isAsked: true })) : [{ platform: currentPlatform(), isAsked: false }];
}

function plan(file: Dockerfile, options: ParsedBuild, target: Target) {
  return withPlace(file, () => {
    const automatic = automaticArgs({ build: currentPlatform(), target: target.platform, stage: options.target ?? 'default' });
    const globals = atFirst(() => globalScope(file.globals, { automatic, args: options.buildArgs, escaper: file.parsed.escaper }), file);
    const graph = stageGraph(file, { target: options.target ?? null, globals, contexts: Object.keys(options.contexts) });
    requireSupported(graph, options);
    return { target, graph, globals, automatic, epoch: buildDate(options, file, globals), platforms: stagePlatforms(graph, target) };
  });
}

/** @throws UnsupportedError for a RUN that nothing here can execute, before anything is carried out */
async function requirePrograms(plans: readonly ReturnType<typeof plan>[], programs: ForeignPrograms): Promise<void> {
  for (const { graph, platforms } of plans)
    for (const { stage } of graph.needed) {
      const platform = platforms.get(stage.index);
      const instruction = stage.instructions.find(({ kind }) => kind === 'run');
      if (platform && instruction) await programs.require({ platform, instruction });
    }
}

/** What a platform is warned of beside what others are: mostly nothing. One platform may well have the same warning twice, as BuildKit tells it. */
function besides(others: readonly BuildWarning[], warnings: readonly BuildWarning[]): BuildWarning[] {
  const known = new Set(others.map((one) => JSON.stringify(one)));
  return warnings.filter((one) => !known.has(JSON.stringify(one)));
}

function atFirst<T>(work: () => T, { file }: Dockerfile): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof InstructionProblem)
      throw new BuildError(`${file}: ${error.message}`, { file, line: 0, code: 'ERR_DOCKERFILE', cause: error });
    throw error;
  }
}

/** The steps whose layers go elsewhere: all, or those of the images alone. */
function chosenSteps(steps: readonly CarriedOutStep[], mode: 'min' | 'max', states: readonly StageState[]): readonly CarriedOutStep[] {
  const own = new Set(states.flatMap(({ layers }) => layers.made.map(({ digest }) => digest)));
  return mode === 'max' ? steps : steps.filter(({ layer }) => layer === null || own.has(layer.digest));
}

function tagName(tag: string): string {
  const name = parseRegistryName(tag);
  if (name.digest === null) return formatReference(name);
  throw invalidOption('tags', `${JSON.stringify(tag)} has a digest, which is not given but follows from the bytes`);
}

/** What was told while it was built, once each: platforms and stages have the same to tell. */
function warningsOf(messages: readonly string[], { file }: Dockerfile): BuildWarning[] {
  return [...new Set(messages)].map((message) => ({ rule: null, message, file, line: 0 }));
}

function withoutNetwork({ file }: Dockerfile, { lacksNetwork }: ParsedBuild): BuildWarning[] {
  const message = 'RUN has no network: this user has no pasta(1), or not the device that it needs, which gives one without root';
  return lacksNetwork ? [{ rule: null, message, file, line: 0 }] : [];
}

/** Build arguments that no ARG asks for: probably misspelt. */
function unusedArgs({ file, globals, stages }: Dockerfile, { buildArgs }: ParsedBuild): BuildWarning[] {
  const asked = new Set(
    [...globals, ...stages.flatMap(({ instructions }) => instructions)].flatMap((one) =>
      one.kind === 'arg' ? one.args.map(({ name }) => name) : [],
    ),
  );
  const known = new Set([...asked, ...PROXY_NAMES, SOURCE_DATE_EPOCH]);
  const unknown = Object.keys(buildArgs).filter((name) => !known.has(name));
  return unknown.map((name) => ({
    rule: null,
    message: `the build argument ${JSON.stringify(name)} is asked for by no ARG`,
    file,
    line: 0,
  }));
}
