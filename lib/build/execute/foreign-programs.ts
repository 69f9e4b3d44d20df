import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Container } from '../../container/container.js';
import { isNacelleError, type NacelleError, SyscallError, UnsupportedError } from '../../errors.js';
import { currentPlatform, type Platform, platformName } from '../../image/formats/platform.js';
import { Image } from '../../image/image.js';
import { ContainerRunError } from '../../process/run-error.js';
import { temporaryFolder } from '../../store/temporary-folder.js';
import type { Dockerfile } from '../language/dockerfile.js';
import { fileAt } from '../language/excerpt.js';
import type { StageInstruction } from '../language/instruction-types.js';
import { probeProgram } from './probe-programs.js';

/** Where a program is needed: for the words of an error. */
export interface NeededProgram {
  readonly platform: Platform;
  readonly instruction: Pick<StageInstruction, 'lines'>;
}

/** Why programs of an architecture can't be executed. */
interface Refusal {
  readonly reason: string;
  readonly fix: string | null;
  readonly cause?: NacelleError;
}

/** How long the program that only ends may take, ms: an emulator starts in a fraction of a second. */
const PATIENCE = 10_000;

/** Refuses RUNs whose programs this machine can't execute, which is found out once for each architecture. */
export class ForeignPrograms {
  readonly #file: Dockerfile;
  readonly #signal: AbortSignal | undefined;
  readonly #known = new Map<string, Promise<Refusal | null>>();

  constructor(file: Dockerfile, signal: AbortSignal | undefined) {
    this.#file = file;
    this.#signal = signal;
  }

  /** @throws UnsupportedError when neither the processor nor an emulator executes programs of the platform; the reason of the signal */
  async require({ platform, instruction }: NeededProgram): Promise<void> {
    const { architecture } = platform;
    const known = this.#known.get(architecture) ?? refusalOf(architecture, this.#signal);
    this.#known.set(architecture, known);
    const refusal = await known;
    if (!refusal) return;
    const { reason, fix, cause } = refusal;
    const { start } = instruction.lines;
    const { steps } = this.#file;
    throw new UnsupportedError(
      `${fileAt(this.#file, start)}${steps ? '' : `:${start}`}: RUN for ${platformName(platform)}`,
      reason,
      fix,
      cause ? { cause } : {},
    );
  }
}

/**
 * Asks the kernel by executing a program that ends at once: /proc/sys/fs/binfmt_misc, which has the entries, need not be mounted, and each user namespace may
 * have others.
 */
async function refusalOf(architecture: string, signal: AbortSignal | undefined): Promise<Refusal | null> {
  const program = architecture === currentPlatform().architecture ? null : probeProgram(architecture);
  // what is not known is for the RUN to find out
  if (program === null) return null;
  const folder = await temporaryFolder(async (path) => {
    await mkdir(path, { mode: 0o755 });
    await writeFile(join(path, 'probe'), program, { mode: 0o755 });
  });
  try {
    await Container.run({
      image: await Image.fromDirectory(folder.path),
      command: ['/probe'],
      network: 'none',
      timeout: PATIENCE,
      reject: true,
      ...(signal ? { cancelSignal: signal } : {}),
    });
    return null;
  } catch (error) {
    signal?.throwIfAborted();
    if (!isNacelleError(error)) throw error;
    return refusalBy(error, architecture);
  } finally {
    await folder.close();
  }
}

function refusalBy(error: NacelleError, architecture: string): Refusal | null {
  const refused = error instanceof SyscallError && error.step === 'exec' ? error.code : null;
  if (refused === 'ENOEXEC')
    return {
      reason: `binfmt_misc has no emulator for programs of ${architecture}, and this machine is ${currentPlatform().architecture}`,
      fix: 'Install one: apt-get install qemu-user-static. Its entries need the flag F, for the emulator is in no image.',
    };
  // an entry without the flag F: the kernel looks for the emulator in the image of each RUN, which may have it
  if (refused === 'ENOENT') return null;
  if (error instanceof ContainerRunError)
    return {
      reason: `a program of ${architecture} that has only to end fails: ${error.reason}`,
      fix: 'Mend or replace what executes such programs: where that is an emulator, /proc/sys/fs/binfmt_misc has its path.',
      cause: error,
    };
  return {
    reason: `whether programs of ${architecture} can be executed is not to be found out: ${error.message}`,
    fix: null,
    cause: error,
  };
}
