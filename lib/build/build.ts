import { invalidOption, NacelleError, withCleanupError } from '../errors.js';
import { isOfTheSystem } from '../image/as-image-errors.js';
import { ociLayerType } from '../image/formats/image-documents.js';
import { currentPlatform } from '../image/formats/platform.js';
import { formatReference, parseRegistryName } from '../image/formats/reference.js';
import { Image } from '../image/image.js';
import { streamFrom } from '../image/layers/add-image.js';
import { addMadeImage } from '../image/layers/add-made-image.js';
import { addBlob } from '../image/store/blobs.js';
import { now } from '../native/clock.js';
import { wordsOf } from '../native/system-errors.js';
import { hold } from '../store/lease.js';
import { type CarriedOutStep, exportCache } from './cache/export-cache.js';
import { openCaches } from './cache/open-caches.js';
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
import { type Contexts, folderNamedIn, imageNamedIn, openContexts } from './execute/contexts.js';
import { EventFeed } from './execute/event-feed.js';
import { withTimes } from './execute/history-times.js';
import { namedImage } from './execute/named-base.js';
import { configDocument, descriptorOf, isoTime, type StageState } from './execute/stage-state.js';
import { onceEach, StagesBuilder } from './execute/stages-builder.js';
import { requireSupported } from './execute/supported.js';
import { readDockerfile } from './files/dockerfile-source.js';
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
 *   the reason of `cancelSignal`
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
    const tags = parsed.tags.map((tag) => tagName(tag));
    if (parsed.output && !parsed.check) await requireFree(parsed.output);
    const given = parsed.check ? NOTHING_GIVEN : { secrets: await readSecrets(parsed.secrets), ssh: agentSockets(parsed.ssh) };
    const contexts = await openContexts(parsed);
    let result: BuildResult | BuildCheck;
    try {
      const { file, ignored } = await readDockerfile({ context: contexts.folder, dockerfile: parsed.dockerfile }, contexts.tree);
      result = await buildFrom(file, { contexts, ignored, options: parsed, tags, feed, given });
    } catch (error) {
      throw withCleanupError(asOurs(error, parsed.cancelSignal), await contexts.close());
    }
    const failure = await contexts.close();
    if (failure) throw failure;
    return result;
  } catch (error) {
    throw asOurs(error, options.cancelSignal);
  } finally {
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
}

async function buildFrom(file: Dockerfile, { contexts, ignored, options, tags, feed, given }: Sources): Promise<BuildResult | BuildCheck> {
  const platform = currentPlatform();
  const { graph, globals, automatic, epoch } = plan(file, options, platform);
  const stop = new AbortController();
  const signals = options.cancelSignal ? [options.cancelSignal, stop.signal] : [stop.signal];
  const own = { ...options, cancelSignal: AbortSignal.any(signals) };
  const progress = new BuildProgress(options.onProgress, feed);
  // the checks and the build take the same image, also when a name is given to another one meanwhile
  const imageNamed = onceEach(async (name) => {
    const given = imageNamedIn(contexts.named, name) ?? { imageName: name };
    if (!('imageName' in given)) return given;
    const { imageName } = given;
    return namedImage(imageName, own, (layer) => progress.mention({ type: 'pull', reference: imageName, layer }));
  });
  const isFolder = (name: string): boolean => folderNamedIn(contexts.named, name) !== null;
  const found = await checkFile(file, { graph, globals, automatic, ignored, options, imageNamed, isFolder });
  const warnings = [...found, ...unusedArgs(file, options), ...withoutNetwork(file, options)];
  if (options.check) return { warnings };
  const { imported, problems } = await openCaches(options.cache.from, own.cancelSignal);
  const began = Math.floor(now() / 1000);
  const { cacheNamespace, cancelSignal: signal } = own;
  const mountSources = { context: { tree: contexts.tree, ignored }, ...given, cacheNamespace, signal };
  const input = {
    ...{ file, graph, globals, options: own, ignored, now: began, epoch, imageNamed, imported },
    ...{ context: contexts.tree, contexts: contexts.named, mountSources },
  };
  const builder = new StagesBuilder(input, { stop, progress });
  // what is to end waits for nobody
  own.cancelSignal.addEventListener('abort', () => feed.hurry(), { once: true });
  try {
    const state = await builder.build();
    if (options.output) await writeOutput(state.layers, options.output, own.cancelSignal);
    const image = await store(state, { tags, options, epoch, now: began });
    const { to, mode } = options.cache;
    if (to) await exportCache(chosenSteps(await builder.outcomes, mode, state), to, own.cancelSignal);
    return { image, warnings: [...warnings, ...problems], steps: builder.steps };
  } finally {
    builder.close();
    for (const cache of imported) await cache.close();
  }
}

function plan(file: Dockerfile, options: ParsedBuild, platform: ReturnType<typeof currentPlatform>) {
  return withPlace(file, () => {
    const automatic = automaticArgs({ build: platform, target: platform, stage: options.target ?? 'default' });
    const globals = atFirst(() => globalScope(file.globals, { automatic, args: options.buildArgs, escaper: file.parsed.escaper }), file);
    const graph = stageGraph(file, { target: options.target ?? null, globals, contexts: Object.keys(options.contexts) });
    requireSupported(graph, options);
    return { graph, globals, automatic, epoch: buildDate(options, file, globals) };
  });
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

/** Writes the image's documents. The layers of its base come into the store, where they are not there. */
async function store(
  state: StageState,
  { tags, options, epoch, now: began }: { tags: readonly string[]; options: ParsedBuild; epoch: number | null; now: number },
): Promise<Image> {
  const { base, made } = state.layers;
  const below = base?.manifest.layers ?? [];
  if (below.length + made.length === 0)
    throw new BuildError('build: the image would have no files, and no layer: COPY something', { file: '', line: 0 });
  const held = await hold(below.map(({ digest }) => digest));
  try {
    for (const layer of made) await layer.bring?.();
    if (base)
      for (const blob of below)
        await addBlob({ digest: blob.digest, size: blob.size, open: async (from) => streamFrom(await base.openBlob(blob), from) });
    const config = state.config.result(state.scope);
    const labelled = Object.keys(options.labels).length === 0 ? config : { ...config, Labels: { ...config.Labels, ...options.labels } };
    const history = withTimes(state.history, base?.config.created ?? isoTime(began));
    // an image of the same layers is the same whenever it was built
    const created = epoch === null ? (history.at(-1)?.created ?? isoTime(began)) : isoTime(epoch);
    const document = configDocument(state.layers, { config: labelled, history, created, author: state.config.author });
    const layers = [...below.map((layer) => ({ ...layer, mediaType: ociLayerType(layer.mediaType) })), ...made.map(descriptorOf)];
    const names = tags.length === 0 ? [null] : tags;
    const [loaded] = await addMadeImage(names, { config: Buffer.from(JSON.stringify(document)), layers });
    if (!loaded) throw new NacelleError('build: nothing was added', { code: 'ERR_PROTOCOL' });
    return await Image.ofStored(tags[0] ?? null, loaded.digest);
  } finally {
    held.release();
  }
}

/** The steps whose layers go elsewhere: all, or those of the image alone. */
function chosenSteps(steps: readonly CarriedOutStep[], mode: 'min' | 'max', { layers }: StageState): readonly CarriedOutStep[] {
  const own = new Set(layers.made.map(({ digest }) => digest));
  return mode === 'max' ? steps : steps.filter(({ layer }) => layer === null || own.has(layer.digest));
}

function tagName(tag: string): string {
  const name = parseRegistryName(tag);
  if (name.digest === null) return formatReference(name);
  throw invalidOption('tags', `${JSON.stringify(tag)} has a digest, which is not given but follows from the bytes`);
}

function withoutNetwork({ file }: Dockerfile, { lacksNetwork }: ParsedBuild): BuildWarning[] {
  const message = 'RUN has no network: there is no pasta(1), which gives one without root';
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
