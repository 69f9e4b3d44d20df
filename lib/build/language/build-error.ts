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
  /** The Dockerfile, as the caller named it. */
  readonly file: string;
  /** From 1; 0 where no line is to blame. */
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
