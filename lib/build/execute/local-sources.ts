import type { FileTree } from '../files/file-tree.js';
import { InstructionProblem } from '../language/build-error.js';

const REMOTE = /^(?:https?:\/\/|git:\/\/|ssh:\/\/|git@|github\.com\/)|\.git(?:#|$)/;
/** How an archive that ADD would unpack begins: gzip, bzip2, xz, zstd; a tar has its word further on. */
const MAGIC = [
  [0x1f, 0x8b],
  [0x42, 0x5a, 0x68],
  [0xfd, 0x37, 0x7a, 0x58, 0x5a],
  [0x28, 0xb5, 0x2f, 0xfd],
];
const USTAR = { at: 257, word: 'ustar' };

/**
 * Refuses what ADD fetches from elsewhere.
 *
 * @throws InstructionProblem
 */
export function requireLocal(sources: readonly string[]): void {
  const remote = sources.find((source) => REMOTE.test(source));
  if (remote !== undefined) throw new InstructionProblem(`ADD of ${JSON.stringify(remote)}: files from elsewhere are not supported`);
}

/**
 * Refuses an archive, which ADD would unpack.
 *
 * @throws InstructionProblem
 */
export async function requireNoArchive(path: string, tree: FileTree): Promise<void> {
  const file = await tree.open(path);
  try {
    const start = Buffer.alloc(512);
    await file.read(start, 0, start.length, 0);
    const isTar = start.subarray(USTAR.at, USTAR.at + USTAR.word.length).toString('latin1') === USTAR.word;
    if (isTar || MAGIC.some((magic) => start.subarray(0, magic.length).equals(Buffer.from(magic))))
      throw new InstructionProblem(
        `ADD of ${JSON.stringify(path)}: unpacking an archive is not supported; --unpack=false copies it as it is`,
      );
  } finally {
    await file.close();
  }
}
