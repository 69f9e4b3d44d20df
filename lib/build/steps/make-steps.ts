import type {
  AddStepOptions,
  BuildInstruction,
  CopyStepOptions,
  HealthcheckStepOptions,
  RunStepOptions,
  StepCommand,
} from './step-types.js';

/**
 * RUN: a command that makes a layer of what it changes. A text is for the stage's shell, and several lines are as RUN's heredoc, also with `#!`; words are
 * executed as they are. Variables are the shell's business.
 */
export function run(command: StepCommand, options: RunStepOptions = {}): BuildInstruction {
  return { kind: 'run', command, ...options };
}

/** COPY: files of the context, or of an image, by their paths or patterns. A target with '/' at its end is a folder. */
export function copy(sources: string | readonly string[], target: string, options: CopyStepOptions = {}): BuildInstruction {
  return { kind: 'copy', sources: listOf(sources), target, ...options };
}

/** ADD: as {@link copy}, but archives are unpacked, and URLs fetched. */
export function add(sources: string | readonly string[], target: string, options: AddStepOptions = {}): BuildInstruction {
  return { kind: 'add', sources: listOf(sources), target, ...options };
}

/** ENV: variables of the image. The values of one step don't see each other: `$PATH` is that of before. */
export function env(variables: Readonly<Record<string, string>>): BuildInstruction {
  return { kind: 'env', variables };
}

/** ARG: a variable of the build, with the value of `buildArgs`, or else this one. */
export function arg(name: string, value?: string): BuildInstruction {
  return { kind: 'arg', name, value };
}

/** LABEL: labels of the image. */
export function label(labels: Readonly<Record<string, string>>): BuildInstruction {
  return { kind: 'label', labels };
}

/** WORKDIR: the folder that later steps, and the image's program, begin in. It is made if it is missing. */
export function workdir(path: string): BuildInstruction {
  return { kind: 'workdir', path };
}

/** USER: who later RUNs, and the image's program, are: `'user'` or `'user:group'`, names or numbers. */
export function user(name: string): BuildInstruction {
  return { kind: 'user', user: name };
}

/** CMD: the image's command, or the words after its ENTRYPOINT. A text is for a shell, and one line. */
export function cmd(command: StepCommand): BuildInstruction {
  return { kind: 'cmd', command };
}

/** ENTRYPOINT: the image's program. A text is for a shell, and one line. */
export function entrypoint(command: StepCommand): BuildInstruction {
  return { kind: 'entrypoint', command };
}

/** SHELL: the words before a text for the shell. */
export function shell(words: readonly string[]): BuildInstruction {
  return { kind: 'shell', words };
}

/** EXPOSE: ports that the image's program listens on: `80`, `'53/udp'`, `'8000-8010'`. */
export function expose(...ports: readonly (number | string)[]): BuildInstruction {
  return { kind: 'expose', ports };
}

/** VOLUME: folders that each container of the image has of its own. */
export function volume(...paths: readonly string[]): BuildInstruction {
  return { kind: 'volume', paths };
}

/** STOPSIGNAL: what ends the image's program: `'SIGQUIT'`. */
export function stopSignal(signal: string): BuildInstruction {
  return { kind: 'stopsignal', signal };
}

/** HEALTHCHECK: the command that tells whether a container is healthy, or 'none' to have none. A text is for a shell, and one line. */
export function healthcheck(command: StepCommand, options: HealthcheckStepOptions = {}): BuildInstruction {
  return { kind: 'healthcheck', command, ...options };
}

function listOf(sources: string | readonly string[]): readonly string[] {
  return typeof sources === 'string' ? [sources] : sources;
}
