import { Readable } from 'node:stream';
import { isNacelleError, NacelleError } from '../../errors.js';
import type { ImageSource } from '../../image/formats/image-source.js';
import { currentPlatform } from '../../image/formats/platform.js';
import type { Image } from '../../image/image.js';
import { addCompressed, type MadeLayer } from '../../image/layers/add-compressed.js';
import { parseChmod } from '../files/chmod.js';
import { findOwner } from '../files/chown.js';
import { type FileTree, resolveIn } from '../files/file-tree.js';
import { type LayerFile, layerFiles } from '../files/layer-files.js';
import { layerTar } from '../files/layer-tar.js';
import { BuildError, DockerfileProblem, InstructionProblem } from '../language/build-error.js';
import type { Dockerfile } from '../language/dockerfile.js';
import { asBuildError } from '../language/excerpt.js';
import { expandWord } from '../language/expand-words.js';
import { IgnoreRules } from '../language/ignore-file.js';
import type { Add, Copy, Run, StageInstruction } from '../language/instruction-types.js';
import { parseInstruction } from '../language/instructions.js';
import { parseLines } from '../language/parse-lines.js';
import { PROXY_NAMES, StageScope } from '../language/scopes.js';
import type { GraphStage, Origin, StageGraph } from '../language/stage-graph.js';
import type { BuildEvent, ParsedBuild } from './build-options.js';
import { requireLocal, requireNoArchive } from './local-sources.js';
import { runStep } from './run-step.js';
import { StageConfig, triggersOf, variablesOf } from './stage-config.js';
import { withFiles } from './stage-files.js';
import { imageOf, type StageState } from './stage-state.js';

export interface BuildInput {
  readonly file: Dockerfile;
  readonly graph: StageGraph;
  readonly globals: ReadonlyMap<string, string>;
  readonly options: ParsedBuild;
  readonly context: FileTree;
  readonly ignored: IgnoreRules;
  /** When the build is; seconds since the epoch. */
  readonly now: number;
  /** The date that the build is to have; `null`: none was given. */
  readonly epoch: number | null;
  /** The image of a name. */
  readonly imageNamed: (name: string) => Promise<Image>;
}

/** Builds the stages that a target needs, one after the other. */
export class Builder {
  readonly #input: BuildInput;
  readonly #stages = new Map<number, StageState>();
  /** Layers that were made: held until the build is over. */
  readonly #made: MadeLayer[] = [];
  #number = 0;

  constructor(input: BuildInput) {
    this.#input = input;
  }

  /** @throws BuildError, and what making containers and images throws */
  async build(): Promise<StageState> {
    const { needed, target } = this.#input.graph;
    for (const stage of needed) this.#stages.set(stage.stage.index, await this.#stage(stage));
    const state = this.#stages.get(target.stage.index);
    if (!state) throw new NacelleError('build: the target was not built', { code: 'ERR_PROTOCOL' });
    return state;
  }

  /** Lets go of the layers that were made. */
  close(): void {
    for (const { release } of this.#made) release();
  }

  async #stage(stage: GraphStage): Promise<StageState> {
    const { from } = stage.stage;
    let state = await this.#at(from.lines, () => this.#base(stage));
    for (const instruction of [...this.#triggers(stage, state), ...stage.stage.instructions]) {
      this.#input.options.cancelSignal?.throwIfAborted();
      this.#number++;
      this.#tell({
        type: 'step',
        stage: from.name ?? `${stage.stage.index}`,
        number: this.#number,
        of: this.#input.graph.needed.reduce((sum, one) => sum + one.stage.instructions.length, 0),
        instruction: instruction.line.original.trim(),
        line: instruction.lines.start,
      });
      const before = state;
      state = await this.#at(instruction.lines, () => this.#step(stage, instruction, before));
    }
    return state;
  }

  #tell(event: BuildEvent): void {
    this.#input.options.onProgress?.(event);
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
      if (!isProblem && !isNacelleError(error)) throw error;
      const problem = new DockerfileProblem(error.message, lines);
      if (!isProblem) problem.cause = error;
      const shown = asBuildError(problem, file);
      throw isProblem
        ? shown
        : new BuildError(shown.message.split('\n'), { file: file.file, line: lines.start, instruction: shown.instruction, cause: error });
    }
  }

  async #base({ base, platform }: GraphStage): Promise<StageState> {
    const { file, globals, options } = this.#input;
    requirePlatform(platform);
    const scopeOptions = { escaper: file.parsed.escaper, args: options.buildArgs, globals };
    if (base.kind === 'stage') {
      const before = this.#stageAt(base.index);
      const scope = new StageScope(before.scope, scopeOptions);
      return { ...before, scope, config: new StageConfig(before.config, file.parsed.escaper) };
    }
    const source = base.kind === 'name' ? await this.#source(base.name) : null;
    const config = source?.config.config;
    return {
      layers: { base: source, made: [] },
      triggers: triggersOf(config),
      config: new StageConfig(config, file.parsed.escaper),
      scope: new StageScope(variablesOf(config), scopeOptions),
      history: source?.config.history ?? [],
    };
  }

  async #source(name: string): Promise<ImageSource> {
    return (await this.#input.imageNamed(name)).withLayers(`build on`);
  }

  #stageAt(index: number): StageState {
    const state = this.#stages.get(index);
    if (!state) throw new NacelleError(`build: stage ${index} was not built`, { code: 'ERR_PROTOCOL' });
    return state;
  }

  /** What ONBUILD of the base has for the first stage that is on it. */
  #triggers({ stage, base }: GraphStage, state: StageState): StageInstruction[] {
    if (base.kind === 'scratch') return [];
    return state.triggers.flatMap((text) =>
      parseLines(text).lines.map((line) => {
        const instruction = parseInstruction({ ...line, lines: stage.from.lines });
        if (instruction.kind === 'from' || instruction.kind === 'onbuild' || instruction.kind === 'maintainer')
          throw new DockerfileProblem(`ONBUILD of the base has ${instruction.line.word}, which isn't allowed`, stage.from.lines);
        return instruction;
      }),
    );
  }

  async #step(stage: GraphStage, instruction: StageInstruction, before: StageState): Promise<StageState> {
    const state = { ...before, triggers: [] };
    switch (instruction.kind) {
      case 'run':
        return this.#run(instruction, state);
      case 'copy':
      case 'add':
        return this.#copy(stage, instruction, state);
      case 'workdir':
        state.config.apply(instruction, state.scope);
        return this.#workdir(instruction, state);
      case 'onbuild':
        state.config.apply(instruction, state.scope);
        return { ...this.#noted(instruction, state, null), triggers: triggersOf(state.config.result(state.scope)) };
      default:
        state.config.apply(instruction, state.scope);
        return this.#noted(instruction, state, null);
    }
  }

  /** The state with an entry in the history, and a layer if there is one. */
  #noted(instruction: StageInstruction, state: StageState, layer: MadeLayer | null, words?: string): StageState {
    const created = new Date((this.#input.epoch ?? this.#input.now) * 1000).toISOString().replace('.000Z', 'Z');
    const text = words ?? `${instruction.line.word.toUpperCase()}${instruction.line.original.trim().slice(instruction.line.word.length)}`;
    const entry = {
      created,
      created_by: layer ? `${text} # buildkit` : text,
      comment: 'buildkit.dockerfile.v0',
      ...(layer ? {} : { empty_layer: true }),
    };
    if (layer) this.#made.push(layer);
    const layers = layer ? { ...state.layers, made: [...state.layers.made, layer] } : state.layers;
    return { ...state, layers, history: [...state.history, entry] };
  }

  async #run(run: Run, state: StageState): Promise<StageState> {
    const { options, epoch, file } = this.#input;
    const image = imageOf(state.layers);
    if (!image) throw new InstructionProblem('there is no file in this stage, so that nothing can be run');
    const number = this.#number;
    const { result, layer } = await runStep({
      image,
      run,
      config: state.config,
      scope: state.scope,
      network: run.network === 'default' ? options.network : run.network,
      limits: { memory: options.memory, cpus: options.cpus },
      proxies: Object.fromEntries(
        PROXY_NAMES.flatMap((name) => (Object.hasOwn(options.buildArgs, name) ? [[name, options.buildArgs[name] ?? '']] : [])),
      ),
      signal: options.cancelSignal,
      clampMtime: epoch === null ? undefined : new Date(epoch * 1000),
      onOutput: (stream, text) => this.#tell({ type: 'output', number, stream, text }),
    });
    if (!layer) {
      const problem = new DockerfileProblem(`RUN has failed: ${result.reason}`, run.lines);
      const { message, instruction } = asBuildError(problem, file);
      throw new BuildError(message.split('\n'), { file: file.file, line: run.lines.start, instruction, result });
    }
    const args = state.scope.args.map(([name, value]) => ` ${name}=${value}`).join('');
    const command = run.isShell ? [...state.config.command(run)] : run.words;
    const words = `RUN ${args === '' ? '' : `|${state.scope.args.length}${args} `}${command.join(' ')}`;
    return this.#noted(run, state, layer, words);
  }

  async #workdir(
    instruction: Extract<StageInstruction, { kind: 'workdir' | 'user' | 'stopsignal' | 'maintainer' }>,
    state: StageState,
  ): Promise<StageState> {
    const path = state.config.workingDir;
    const words = `WORKDIR ${path}`;
    const files = await withFiles(imageOf(state.layers), this.#input.options.cancelSignal, async (tree) => {
      const { path: found, entry } = await resolveIn(tree, path);
      if (entry && entry.kind !== 'folder') throw new InstructionProblem(`${path} is no folder`);
      if (entry) return [];
      const { uid, gid } = state.config.user === '' ? { uid: 0, gid: 0 } : await findOwner(state.config.user, tree);
      return missingFolders(found, tree, { uid, gid, mtime: this.#input.epoch ?? this.#input.now });
    });
    if (files.length === 0) return this.#noted(instruction, state, null, words);
    return this.#noted(instruction, state, await this.#layer(files), words);
  }

  async #copy(stage: GraphStage, instruction: Copy | Add, state: StageState): Promise<StageState> {
    const { scope } = state;
    const { options, context, ignored, now, epoch } = this.#input;
    const chmod = instruction.chmod === '' ? null : parseChmod(scope.expand(instruction.chmod));
    const sources = instruction.sources.map((source) => scope.expand(source));
    const inline = instruction.inline.map(({ name, content, expand }) => ({
      name,
      content: expand ? this.#expanded(content, scope) : content,
    }));
    const unpacks = instruction.kind === 'add' && instruction.unpack !== false;
    if (instruction.kind === 'add') requireLocal(sources);
    const chown = scope.expand(instruction.chown);
    const origin = instruction.kind === 'copy' && instruction.from !== '' ? stage.origins.get(instruction.from) : undefined;
    const own = imageOf(state.layers);
    const layer = await withFiles(own, options.cancelSignal, (onto) =>
      this.#withOrigin(origin, async (from) => {
        const files = await layerFiles({
          from: from ?? context,
          ignored: from ? null : ignored,
          sources,
          inline,
          onto,
          target: state.config.absolute(scope.expand(instruction.target)),
          excludes: new IgnoreRules([...instruction.excludes]),
          owner: chown === '' ? null : await findOwner(chown, onto),
          chmod,
          madeAt: epoch ?? now,
          ...(unpacks ? { onFile: (path: string) => requireNoArchive(path, context) } : {}),
        });
        return this.#layer(files);
      }),
    );
    return this.#noted(
      instruction,
      state,
      layer,
      `${instruction.line.word.toUpperCase()} ${[...flagsShown(instruction, chown), ...sources, ...inline.map(({ name }) => `<<${name}`), scope.expand(instruction.target)].join(' ')}`,
    );
  }

  #expanded(content: string, scope: StageScope): string {
    return expandWord(content, { escaper: this.#input.file.parsed.escaper, lookup: scope.lookup, plainQuotes: true }).text;
  }

  /** The files of `--from`; `null`: the context's. */
  async #withOrigin<T>(origin: Origin | undefined, work: (tree: FileTree | null) => Promise<T>): Promise<T> {
    if (!origin) return work(null);
    const image =
      origin.kind === 'stage'
        ? imageOf(this.#stageAt(origin.index).layers)
        : origin.kind === 'name'
          ? await this.#input.imageNamed(origin.name)
          : null;
    return withFiles(image, this.#input.options.cancelSignal, work);
  }

  #layer(files: readonly LayerFile[]): Promise<MadeLayer> {
    return addCompressed(Readable.from(layerTar(files, this.#input.epoch), { objectMode: false }));
  }
}

function flagsShown({ chmod, kind, ...rest }: Copy | Add, chown: string): string[] {
  const from = kind === 'copy' && 'from' in rest ? rest.from : '';
  return [
    ...(from === '' ? [] : [`--from=${from}`]),
    ...(chown === '' ? [] : [`--chown=${chown}`]),
    ...(chmod === '' ? [] : [`--chmod=${chmod}`]),
  ];
}

async function missingFolders(path: string, tree: FileTree, owner: { uid: number; gid: number; mtime: number }): Promise<LayerFile[]> {
  const names = path.split('/');
  const folders = names.map((_, index) => names.slice(0, index + 1).join('/'));
  const there = await Promise.all(folders.map((folder) => tree.get(folder)));
  return folders
    .filter((_, index) => !there[index])
    .map((folder) => ({ path: folder, type: 'folder', mode: 0o755, ...owner, size: 0, target: '', bytes: null }));
}

/** @throws InstructionProblem for another platform than this machine's */
function requirePlatform(platform: string): void {
  const { os, architecture } = currentPlatform();
  if (platform === '' || platform === `${os}/${architecture}` || platform === architecture) return;
  throw new InstructionProblem(`the platform ${platform} can't be built here, which is ${os}/${architecture}`);
}
