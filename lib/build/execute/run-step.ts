import { Container } from '../../container/container.js';
import type { ContainerOptions } from '../../container/options/container-types.js';
import type { Image } from '../../image/image.js';
import { addCompressed, type MadeLayer } from '../../image/layers/add-compressed.js';
import type { RunResult } from '../../process/options/process-types.js';
import { sorted } from '../cache/step-key.js';
import { InstructionProblem } from '../language/build-error.js';
import type { Run } from '../language/instruction-types.js';
import type { GivenMounts } from '../mounts/given-mounts.js';
import type { ParsedBuild } from './build-options.js';
import type { StageConfig } from './stage-config.js';

export interface RunRequest {
  readonly image: Image;
  readonly command: RunCommand;
  /** ENV and ARG. */
  readonly variables: ReadonlyMap<string, string>;
  readonly config: StageConfig;
  readonly network: string;
  readonly security: Run['security'];
  /** What it is held to. */
  readonly limits: Pick<ContainerOptions, 'memory' | 'cpus' | 'pidsLimit' | 'timeout' | 'userns'>;
  /** Variables that the program has and the image doesn't. */
  readonly proxies: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
  readonly given: GivenMounts;
  /** The program waits, at the latest when its pipe is full, until what it has said is heard. */
  readonly onOutput: (stream: 'stdout' | 'stderr', text: string) => Promise<void>;
  /** No file of the layer has a later time. */
  readonly clampMtime: Date | undefined;
}

/** What each RUN is held to. */
export function limitsOf({ memory, cpus, pidsLimit, timeout, userns }: ParsedBuild): RunRequest['limits'] {
  return { memory, cpus, pidsLimit, timeout, userns };
}

/** What a RUN may do that is allowed to do anything: as with BuildKit, but for this machine's devices, which it is not given. */
export function rightsOf(
  security: Run['security'],
): Pick<ContainerOptions, 'capAdd' | 'seccomp' | 'maskedPaths' | 'readonlyPaths' | 'noNewPrivileges'> {
  if (security === 'sandbox') return {};
  return { capAdd: ['ALL'], seccomp: 'unconfined', maskedPaths: [], readonlyPaths: [], noNewPrivileges: false };
}

/** What RUN executes: the words, and a file for a heredoc that says itself by which program it is run. */
export interface RunCommand {
  readonly words: readonly string[];
  readonly files: Readonly<Record<string, { readonly content: string; readonly mode: number }>>;
}

/** Heredocs that BuildKit mounts lie there. */
const PIPES = '/dev/pipes';

/** How a RUN with its heredocs is executed. */
export function runCommand(run: Run, config: StageConfig): RunCommand {
  const [first] = run.heredocs;
  const [line = ''] = run.words;
  const isScript = run.isShell && run.heredocs.length === 1 && /^<<-?\s*(["']?)[^\s<"']+\1$/.test(line.trim());
  if (!first || !run.isShell) return { words: config.command(run), files: {} };
  if (isScript && first.content.startsWith('#!')) {
    const path = `${PIPES}/${first.name}`;
    return { words: config.command({ words: [path], isShell: true }), files: { [path]: { content: first.content, mode: 0o755 } } };
  }
  if (isScript) return { words: config.command({ words: [first.content], isShell: true }), files: {} };
  // the shell reads several by itself
  const { heredocs } = run.line;
  const text = [line, ...heredocs.map(({ content, name }) => `${content}${name}`)].join('\n');
  return { words: config.command({ words: [text], isShell: true }), files: {} };
}

/** Where a program begins. */
export function workingFolder({ workingDir }: StageConfig): string {
  return workingDir.replace(/(?<=.)\/$/, '');
}

/**
 * Runs a program on the files so far.
 *
 * @returns what it changed, as a layer in the store; `null` when the program has failed
 * @throws what making a container throws
 */
export async function runStep(request: RunRequest): Promise<{ readonly result: RunResult; readonly layer: MadeLayer | null }> {
  const { image, command, variables, config, network, security, limits, proxies, given, signal } = request;
  const { words, files } = command;
  const [program, ...rest] = words;
  if (program === undefined) throw new InstructionProblem('RUN has nothing to run');
  const agent = given.agent === null || variables.has('SSH_AUTH_SOCK') ? {} : { SSH_AUTH_SOCK: given.agent };
  const options = {
    image,
    entrypoint: [program],
    command: rest,
    // in an order that is the same for the same variables, which the cache relies on
    env: { ...Object.fromEntries(sorted([...variables])), ...proxies, ...agent, ...given.env },
    cwd: workingFolder(config),
    ...(config.user === '' ? {} : { user: config.user }),
    hostname: 'buildkitsandbox',
    network,
    copyIn: files,
    mounts: given.mounts,
    stdin: 'ignore',
    buffer: false,
    healthcheck: 'none',
    ...limits,
    ...rightsOf(security),
    ...(signal ? { cancelSignal: signal } : {}),
  } as const;
  const container = await Container.createWithFiles(options, given.files);
  try {
    // the streams are read from before the program's first word
    const told = tell(container, request.onOutput);
    const [result] = await Promise.all([container.start().then(() => container.wait()), told]);
    signal?.throwIfAborted();
    if (result.failed) return { result, layer: null };
    const { clampMtime } = request;
    return { result, layer: await addCompressed(await container.layer(clampMtime ? { clampMtime } : {})) };
  } finally {
    // whoever is told of the output may throw while the program runs
    await container.remove({ force: true });
  }
}

async function tell(container: Container, onOutput: RunRequest['onOutput']): Promise<void> {
  const read = async (name: 'stdout' | 'stderr'): Promise<void> => {
    const stream = container[name];
    if (!stream) return;
    const decoder = new TextDecoder();
    for await (const chunk of stream) await onOutput(name, decoder.decode(chunk, { stream: true }));
    const rest = decoder.decode();
    if (rest !== '') await onOutput(name, rest);
  };
  await Promise.all([read('stdout'), read('stderr')]);
}
