import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Container } from '../../container/container.js';
import { hasCode, UnsupportedError } from '../../errors.js';
import { currentPlatform, type Platform, platformName } from '../../image/formats/platform.js';
import { Image } from '../../image/image.js';
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

/** Refuses RUNs whose programs this machine can't execute, which is found out once for each architecture. */
export class ForeignPrograms {
  readonly #file: Dockerfile;
  readonly #signal: AbortSignal | undefined;
  readonly #known = new Map<string, Promise<boolean>>();

  constructor(file: Dockerfile, signal: AbortSignal | undefined) {
    this.#file = file;
    this.#signal = signal;
  }

  /** @throws UnsupportedError when neither the processor nor an emulator executes programs of the platform */
  async require({ platform, instruction }: NeededProgram): Promise<void> {
    const { architecture } = platform;
    const known = this.#known.get(architecture) ?? canExecute(architecture, this.#signal);
    this.#known.set(architecture, known);
    if (await known) return;
    const { start } = instruction.lines;
    const { steps } = this.#file;
    throw new UnsupportedError(
      `${fileAt(this.#file, start)}${steps ? '' : `:${start}`}: RUN for ${platformName(platform)}`,
      `binfmt_misc has no emulator for programs of ${architecture}, and this machine is ${currentPlatform().architecture}`,
      'Install one: apt-get install qemu-user-static. Its entries need the flag F, for the emulator is in no image.',
    );
  }
}

/**
 * Asks the kernel by executing a program that ends at once: /proc/sys/fs/binfmt_misc, which has the entries, need not be mounted, and each user namespace may
 * have others.
 */
async function canExecute(architecture: string, signal: AbortSignal | undefined): Promise<boolean> {
  const program = architecture === currentPlatform().architecture ? null : probeProgram(architecture);
  // what is not known is for the RUN to find out
  if (program === null) return true;
  const folder = await temporaryFolder(async (path) => {
    await mkdir(path, { mode: 0o755 });
    await writeFile(join(path, 'probe'), program, { mode: 0o755 });
  });
  try {
    await Container.run({
      image: await Image.fromDirectory(folder.path),
      command: ['/probe'],
      network: 'none',
      ...(signal ? { cancelSignal: signal } : {}),
    });
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    if (hasCode(error, 'ENOEXEC')) return false;
    // an emulator that is to be found in the image itself
    if (hasCode(error, 'ENOENT')) return true;
    throw error;
  } finally {
    await folder.close();
  }
}
