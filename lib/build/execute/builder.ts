import { isNacelleError } from '../../errors.js';
import { isOfTheSystem } from '../../image/as-image-errors.js';
import type { ImageSource } from '../../image/formats/image-source.js';
import { type Platform, platformName } from '../../image/formats/platform.js';
import type { Image } from '../../image/image.js';
import type { MadeLayer } from '../../image/layers/add-compressed.js';
import { monotonicMs, nextTurn } from '../../native/clock.js';
import { wordsOf } from '../../native/system-errors.js';
import type { StepOutcome } from '../cache/step-cache.js';
import type { Common, CopyInput, RunInput, WorkdirInput } from '../cache/step-key.js';
import { findOwner } from '../files/chown.js';
import { type FileTree, resolveIn } from '../files/file-tree.js';
import type { Warn } from '../files/host-program.js';
import type { LayerFile } from '../files/layer-file.js';
import { missingFolders } from '../files/missing-folders.js';
import { BuildError, DockerfileProblem, InstructionProblem, withDebug } from '../language/build-error.js';
import type { Dockerfile } from '../language/dockerfile.js';
import { asBuildError } from '../language/excerpt.js';
import type { IgnoreRules } from '../language/ignore-file.js';
import type { Add, Copy, From, Run, StageInstruction } from '../language/instruction-types.js';
import { PROXY_NAMES, StageScope } from '../language/scopes.js';
import { fromsOf, type GraphStage, type Origin, type StageGraph } from '../language/stage-graph.js';
import type { ContextTree } from '../mounts/bind-sources.js';
import { plannedMounts, requireOwners } from '../mounts/planned-mounts.js';
import { type MountSources, StepMounts } from '../mounts/step-mounts.js';
import { addLayer } from './add-layer.js';
import type { BuildStep, ParsedBuild } from './build-options.js';
import { type Contexts, folderNamedIn } from './contexts.js';
import { copyStep, type ReadCopy, readCopy, WHOLE_FOLDER } from './copy-step.js';
import { debugContainer } from './debug-container.js';
import { failedRun } from './failed-run.js';
import type { ForeignPrograms } from './foreign-programs.js';
import { type Origins, originOf, stageName } from './origins.js';
import { limitsOf, type RunRequest, runCommand, runStep, workingFolder } from './run-step.js';
import type { Shared } from './shared.js';
import { StageConfig, triggersOf, variablesOf } from './stage-config.js';
import { withFiles } from './stage-files.js';
import { askedOf, type Target } from './stage-platforms.js';
import { diffIdsOf, imageOf, isoTime, type StageState } from './stage-state.js';
import { parseTriggers, type Triggers } from './triggers.js';

export interface BuildInput {
  readonly file: Dockerfile;
  readonly graph: StageGraph;
  readonly globals: ReadonlyMap<string, string>;
  readonly options: ParsedBuild;
  readonly context: FileTree;
  /** What names mean that the caller has given. */
  readonly contexts: Contexts['named'];
  readonly ignored: IgnoreRules;
  /** When the build is; seconds since the epoch. */
  readonly now: number;
  /** The date that the build is to have; `null`: none was given. */
  readonly epoch: number | null;
  readonly mountSources: MountSources;
  /** The image of a name for a platform; `null`: for whatever it is. */
  readonly imageNamed: (name: string, platform: Platform | null) => Promise<Image>;
  readonly target: Target;
  /** What each stage is for, by its number. */
  readonly platforms: ReadonlyMap<number, Platform>;
  readonly programs: ForeignPrograms;
  readonly warn: Warn;
}

/** What a step follows from, but for the layers below. */
type StepDetails = Omit<RunInput, keyof Common> | Omit<CopyInput, keyof Common> | Omit<WorkdirInput, keyof Common>;

/** How much of what a RUN that failed has said is in the error, in UTF-16 units. */
const LAST_OUTPUT = 4096;

const NO_LAYERS: StageState['layers'] = { base: null, made: [] };

/** Builds one stage. */
export class Builder {
  readonly #input: BuildInput;
  readonly #shared: Shared;
  readonly #steps: BuildStep[] = [];
  /** The number of the step that is carried out. */
  #number = 0;
  /** As {@link BuildStep.cached}, of the step that is carried out. */
  #isCached: boolean | null = null;

  constructor(input: BuildInput, shared: Shared) {
    this.#input = input;
    this.#shared = shared;
  }

  /** Those that are over. */
  get steps(): readonly BuildStep[] {
    return this.#steps;
  }

  /** @throws BuildError, and what making containers and images throws */
  async build(stage: GraphStage): Promise<StageState> {
    const { from } = stage.stage;
    const { progress, inTurn, stageAt } = this.#shared;
    if (stage.base.kind === 'stage') await stageAt(stage.base.index);
    const name = stageName(stage);
    const about = { stage: name, base: from.base, line: from.lines.start, platform: platformName(this.#platformOf(stage)) };
    await progress.tell({ type: 'stage', ...about, status: 'started' });
    const base = await this.#at(from.lines, () => this.#base(stage));
    const triggers = await this.#at(from.lines, async () => this.#triggers(stage, base));
    await this.#requirePrograms(triggers, base);
    const origins = new Map([...stage.origins, ...triggers.origins]);
    progress.add(triggers.instructions.length);
    // triggers are for the first stage that is on the image, and no further
    let state: StageState = { ...base, triggers: [] };
    for (const instruction of [...triggers.instructions, ...stage.stage.instructions]) {
      await this.#stagesOf(instruction, origins);
      const before = state;
      state = await inTurn(() => this.#carryOut(instruction, { stage, origins, state: before }));
    }
    await progress.tell({ type: 'stage', ...about, status: 'done' });
    return state;
  }

  async #carryOut(
    instruction: StageInstruction,
    { stage, origins, state }: { readonly stage: GraphStage; readonly origins: Origins; readonly state: StageState },
  ): Promise<StageState> {
    const { progress } = this.#shared;
    // whatever a Dockerfile has, others have their turn in between
    await nextTurn();
    this.#input.options.cancelSignal?.throwIfAborted();
    this.#isCached = null;
    const step = {
      ...{ stage: stageName(stage), instruction: instruction.line.original.trim(), line: instruction.lines.start },
      platform: platformName(state.platform),
    };
    this.#number = await progress.begin(step);
    const began = monotonicMs();
    const debug = debugContainer(state, { instruction, options: this.#input.options });
    const after = await this.#at(instruction.lines, () => this.#step(origins, instruction, state)).catch((error: unknown) => {
      throw withDebug(error, debug);
    });
    const end = { cached: this.#isCached, durationMs: monotonicMs() - began };
    this.#steps.push({ ...step, ...end });
    await progress.tell({ type: 'done', number: this.#number, ...end });
    return after;
  }

  /** Waits for the stages that an instruction takes files from. */
  async #stagesOf(instruction: StageInstruction, origins: Origins): Promise<void> {
    for (const word of fromsOf(instruction)) {
      const origin = origins.get(word);
      if (origin?.kind === 'stage') await this.#shared.stageAt(origin.index);
    }
  }

  /** What goes wrong in an instruction is told with its place. */
  async #at<T>(lines: StageInstruction['lines'], work: () => Promise<T>): Promise<T> {
    const { file, options } = this.#input;
    try {
      return await work();
    } catch (error) {
      options.cancelSignal?.throwIfAborted();
      if (error instanceof BuildError) throw error;
      const isProblem = error instanceof InstructionProblem || error instanceof DockerfileProblem;
      if (!isProblem && !isNacelleError(error) && !isOfTheSystem(error)) throw error;
      const problem = new DockerfileProblem(wordsOf(error), lines);
      if (!isProblem) problem.cause = error;
      const shown = asBuildError(problem, file);
      throw isProblem
        ? shown
        : new BuildError(shown.message.split('\n'), { file: shown.file, line: lines.start, instruction: shown.instruction, cause: error });
    }
  }

  #platformOf({ stage }: GraphStage): Platform {
    return this.#input.platforms.get(stage.index) ?? this.#input.target.platform;
  }

  /** What a base's triggers execute is known when the base is there. */
  async #requirePrograms({ instructions }: Triggers, { platform }: StageState): Promise<void> {
    for (const instruction of instructions) if (instruction.kind === 'run') await this.#input.programs.require({ platform, instruction });
  }

  async #base(of: GraphStage): Promise<StageState> {
    const { base, stage } = of;
    const { file, globals, options } = this.#input;
    const scopeOptions = { escaper: file.parsed.escaper, args: options.buildArgs, globals };
    if (base.kind === 'stage') {
      const before = await this.#shared.stageAt(base.index);
      const scope = new StageScope(before.scope, scopeOptions);
      return { ...before, scope, config: new StageConfig(before.config, file.parsed.escaper) };
    }
    const folder = base.kind === 'name' ? folderNamedIn(this.#input.contexts, base.name) : null;
    const source = base.kind === 'name' && !folder ? await this.#source(base.name, askedOf(of, this.#input.target)) : null;
    const config = source ? (source.config.config ?? {}) : undefined;
    const state = {
      platform: this.#platformOf(of),
      layers: { base: source, made: [] },
      triggers: triggersOf(config),
      config: new StageConfig(config, file.parsed.escaper),
      scope: new StageScope(variablesOf(config), scopeOptions),
      history: source?.config.history ?? [],
    };
    return folder ? this.#onFolder(stage, folder, state) : state;
  }

  /** A stage that is on a folder of the caller's: on nothing, and the first layer has the folder's files. */
  async #onFolder({ from }: GraphStage['stage'], { tree, ignored }: ContextTree, state: StageState): Promise<StageState> {
    const outcome = await this.#shared.inTurn(() => this.#copyFrom(tree, ignored, { read: WHOLE_FOLDER, instruction: from, state }));
    return outcome.layer ? this.#noted(from, state, outcome, `FROM ${from.base}`) : state;
  }

  async #source(name: string, platform: Platform | null): Promise<ImageSource> {
    return (await this.#input.imageNamed(name, platform)).withLayers(`build on`);
  }

  #triggers({ stage, base }: GraphStage, { triggers }: StageState): Triggers {
    if (base.kind === 'scratch') return { instructions: [], origins: new Map() };
    const { file, options, graph } = this.#input;
    const built = new Set(graph.needed.map((needed) => needed.stage.index));
    return parseTriggers(triggers, { stage, stages: file.stages, options, isBuilt: (index) => built.has(index) });
  }

  async #step(origins: Origins, instruction: StageInstruction, state: StageState): Promise<StageState> {
    switch (instruction.kind) {
      case 'run':
        return this.#run(origins, instruction, state);
      case 'copy':
      case 'add':
        return this.#copy(origins, instruction, state);
      case 'workdir':
        state.config.apply(instruction, state.scope);
        return this.#workdir(instruction, state);
      case 'onbuild':
        state.config.apply(instruction, state.scope);
        return { ...state, triggers: triggersOf(state.config.result(state.scope)) };
      default:
        return this.#noted(instruction, state, null, state.config.apply(instruction, state.scope) ?? '');
    }
  }

  /** The state with an entry in the history, and a layer if there is one. */
  #noted(instruction: Pick<StageInstruction, 'kind'> | From, state: StageState, outcome: StepOutcome | null, text: string): StageState {
    const { layer = null } = outcome ?? {};
    const seconds = this.#input.epoch ?? (layer ? outcome?.created : undefined);
    const entry = {
      ...(seconds === undefined ? {} : { created: isoTime(seconds) }),
      created_by: layer && instruction.kind !== 'workdir' ? `${text} # buildkit` : text,
      comment: 'buildkit.dockerfile.v0',
      ...(layer ? {} : { empty_layer: true }),
    };
    const layers = layer ? { ...state.layers, made: [...state.layers.made, layer] } : state.layers;
    return { ...state, layers, history: [...state.history, entry] };
  }

  /** What came of a step, or of the same one in an earlier build. */
  async #cached(
    input: StepDetails,
    instruction: Pick<StageInstruction, 'line'>,
    state: Pick<StageState, 'layers'>,
    make: () => Promise<MadeLayer | null>,
  ) {
    const common = { below: diffIdsOf(state.layers), epoch: this.#input.epoch };
    const outcome = await this.#shared.cache.step({ ...input, ...common }, instruction.line.original.trim(), make);
    if (outcome.layer) this.#shared.made.push(outcome.layer);
    this.#isCached = outcome.isCached;
    return outcome;
  }

  async #run(origins: Origins, run: Run, state: StageState): Promise<StageState> {
    const { options } = this.#input;
    const { config, scope } = state;
    const image = imageOf(state.layers);
    if (!image) throw new InstructionProblem('there is no file in this stage, so that nothing can be run');
    const command = runCommand(run, config);
    const network = run.network === 'default' ? options.network : run.network;
    const mounts = await this.#mounts(origins, run, state);
    const input = {
      kind: 'run',
      platform: platformName(state.platform),
      ...command,
      env: scope.variables,
      cwd: workingFolder(config),
      user: config.user,
      network,
      security: run.security,
      mounts: mounts.key,
    } as const;
    const outcome = await this.#cached(input, run, state, () =>
      mounts.during((given) => this.#runOn(image, run, { command, network, state, given })),
    );
    const args = scope.args.map(([name, value]) => ` ${name}=${value}`).join('');
    const words = `RUN ${args === '' ? '' : `|${scope.args.length}${args} `}${command.words.join(' ')}`;
    return this.#noted(run, state, outcome, words);
  }

  #mounts(origins: Origins, { mounts }: Run, { config, scope }: StageState): Promise<StepMounts> {
    const { mountSources: sources, options } = this.#input;
    const planned = plannedMounts(mounts, { expand: (word) => scope.expand(word), workingDir: config.workingDir });
    requireOwners(planned, options);
    const folder = (from: string): ContextTree | null => this.#folderAt(originOf(from, origins));
    const image = (from: string): Promise<Image | null> => this.#imageAt(originOf(from, origins));
    return StepMounts.of(planned, {
      sources,
      origins: { folder, image, withFiles: (of, work) => withFiles(of, options.cancelSignal, work) },
    });
  }

  async #runOn(
    image: Image,
    run: Run,
    { command, network, state, given }: Pick<RunRequest, 'command' | 'network' | 'given'> & { readonly state: StageState },
  ): Promise<MadeLayer> {
    const { options, epoch, file } = this.#input;
    const number = this.#number;
    let last = '';
    const { result, layer } = await runStep({
      image,
      command,
      config: state.config,
      variables: state.scope.variables,
      ...{ network, given, security: run.security },
      limits: limitsOf(options),
      proxies: Object.fromEntries(
        PROXY_NAMES.flatMap((name) => (Object.hasOwn(options.buildArgs, name) ? [[name, options.buildArgs[name] ?? '']] : [])),
      ),
      signal: options.cancelSignal,
      clampMtime: epoch === null ? undefined : new Date(epoch * 1000),
      onOutput: (stream, text) => {
        last = (last + text).slice(-LAST_OUTPUT);
        return this.#shared.progress.tell({ type: 'output', number, stream, text });
      },
    });
    if (layer) return layer;
    throw failedRun(run, { file, result, network, last });
  }

  async #workdir(
    instruction: Extract<StageInstruction, { kind: 'workdir' | 'user' | 'stopsignal' | 'maintainer' }>,
    state: StageState,
  ): Promise<StageState> {
    const { workingDir: path, user } = state.config;
    const outcome = await this.#cached({ kind: 'workdir', path, user }, instruction, state, () =>
      withFiles(imageOf(state.layers), this.#input.options.cancelSignal, async (tree) => {
        const { path: found, entry } = await resolveIn(tree, path);
        if (entry && entry.kind !== 'folder') throw new InstructionProblem(`${path} is no folder`);
        if (entry) return null;
        const { uid, gid } = user === '' ? { uid: 0, gid: 0 } : await findOwner(user, tree, 'USER');
        return this.#layer(await missingFolders(found, tree, { uid, gid, mtime: this.#input.epoch ?? this.#input.now }));
      }),
    );
    return this.#noted(instruction, state, outcome, `WORKDIR ${path}`);
  }

  async #copy(origins: Origins, instruction: Copy | Add, state: StageState): Promise<StageState> {
    const { context, ignored, file } = this.#input;
    const read = readCopy(instruction, state, file.parsed.escaper);
    const origin = instruction.kind === 'copy' ? originOf(instruction.from, origins) : undefined;
    const outcome = await this.#withOrigin(origin, (tree, rules) =>
      this.#copyFrom(tree ?? context, tree ? rules : ignored, { read, instruction, state }),
    );
    return this.#noted(instruction, state, outcome, read.words);
  }

  #copyFrom(
    from: FileTree,
    ignored: IgnoreRules | null,
    { read, instruction, state }: { readonly read: ReadCopy; readonly instruction: Copy | Add | From; readonly state: StageState },
  ): Promise<StepOutcome> {
    const { now, epoch, options, warn } = this.#input;
    return copyStep(read, {
      ...{ from, ignored, layers: state.layers, epoch, now, network: options.network, signal: options.cancelSignal, warn },
      limits: limitsOf(options),
      secrets: this.#input.mountSources.secrets,
      ssh: this.#input.mountSources.ssh,
      asksFirst: options.cache.reads,
      cached: (input, make) => this.#cached(input, instruction, read.isLinked ? { layers: NO_LAYERS } : state, make),
    });
  }

  /** The files of `--from`, with what is left out of them; `null`: the context's. */
  async #withOrigin<T>(origin: Origin | undefined, work: (tree: FileTree | null, ignored: IgnoreRules | null) => Promise<T>): Promise<T> {
    if (!origin) return work(null, null);
    const given = this.#folderAt(origin);
    if (given) return work(given.tree, given.ignored);
    return withFiles(await this.#imageAt(origin), this.#input.options.cancelSignal, (tree) => work(tree, null));
  }

  /** A folder of the caller's that has the name. */
  #folderAt(origin: Origin | undefined): ContextTree | null {
    return origin?.kind === 'name' ? folderNamedIn(this.#input.contexts, origin.name) : null;
  }

  async #imageAt(origin: Origin | undefined): Promise<Image | null> {
    if (origin?.kind === 'stage') return imageOf((await this.#shared.stageAt(origin.index)).layers);
    const { platform, isAsked } = this.#input.target;
    return origin?.kind === 'name' ? this.#input.imageNamed(origin.name, isAsked ? platform : null) : null;
  }

  #layer(files: readonly LayerFile[]): Promise<MadeLayer> {
    const { epoch, options } = this.#input;
    return addLayer(files, { latest: epoch, signal: options.cancelSignal });
  }
}
