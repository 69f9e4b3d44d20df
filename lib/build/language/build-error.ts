import type { Container } from '../../container/container.js';
import { NacelleError } from '../../errors.js';
import type { RunResult } from '../../process/options/process-types.js';

/** Lines of a Dockerfile, from 1. */
export interface LineRange {
  readonly start: number;
  readonly end: number;
}

/** Why no image was built: what is wrong in the Dockerfile and where, or what failed of a step. */
export class BuildError extends NacelleError {
  override readonly name = 'BuildError';
  /** The Dockerfile, as the caller named it; of {@link BuildOptions.steps} the step, `'steps[3]'`, or `'from'`. */
  readonly file: string;
  /** From 1, for steps in the Dockerfile that they stand for and the message shows; 0 where no line is to blame. */
  readonly line: number;
  /** The instruction as it is written there; '' where none is to blame. */
  readonly instruction: string;
  /** What the program of a RUN did that has failed; `null` for any other failure. */
  readonly result: RunResult | null;

  constructor(
    message: string | readonly string[],
    options: { file: string; line: number; instruction?: string; code?: string; cause?: unknown; result?: RunResult },
  ) {
    super(message, { code: 'ERR_BUILD', ...options });
    this.file = options.file;
    this.line = options.line;
    this.instruction = options.instruction ?? '';
    this.result = options.result ?? null;
  }

  /**
   * A container with the files, the variables, USER and WORKDIR that the failed step began with, for looking around: its program is the stage's shell, which
   * is started and ends with its stdin, so that `exec` runs others beside. Limits and the network are those of RUN, but for `timeout`; the step's mounts, its
   * secrets and proxies are not there. Whoever asked for the container removes it.
   *
   * @throws NacelleError `ERR_STATE` when no step has failed, or a step of a stage without files; ImageError when the layers are no longer there, as
   *   `BuildCache.prune()` and `Image.prune()` remove them; what making a container throws, ENOENT where the stage has no shell
   */
  async debug(): Promise<Container> {
    const make = debugged.get(this);
    if (!make) throw new NacelleError(`debug a build: it was no step that failed: ${this.message}`, { code: 'ERR_STATE' });
    return make();
  }
}

const debugged = new WeakMap<BuildError, () => Promise<Container>>();

/** @returns the error, whose `debug()` is `make` if it is a BuildError that has none */
export function withDebug(error: unknown, make: () => Promise<Container>): unknown {
  if (error instanceof BuildError && !debugged.has(error)) debugged.set(error, make);
  return error;
}

/** What is wrong with some lines of a Dockerfile. Whoever knows the file makes a {@link BuildError} of it. */
export class DockerfileProblem extends Error {
  readonly lines: LineRange;

  constructor(message: string, lines: LineRange) {
    super(message);
    this.lines = lines;
  }
}

/** A problem within one instruction, whose reader doesn't know its lines. */
export class InstructionProblem extends Error {}
