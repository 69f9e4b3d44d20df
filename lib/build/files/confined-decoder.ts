import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { hasCode, NacelleError } from '../../errors.js';
import { hostProgram, lastWords, type Warn } from './host-program.js';

/** What programs of this machine decompress: nothing in Node does. */
export type ProgramCompression = 'xz' | 'bzip2';

const MAGICS: Readonly<Record<ProgramCompression, Buffer>> = {
  bzip2: Buffer.from('BZh'),
  xz: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]),
};
const PACKAGES: Readonly<Record<ProgramCompression, string>> = { xz: 'xz-utils', bzip2: 'bzip2' };

/** How many bytes {@link programCompressionOf} looks at. */
export const PROGRAM_MAGIC_BYTES = 6;

/** Bytes of address space: `xz -9` needs 65 MiB to decompress, and the header of a hostile file may ask for 4 GiB. */
const MOST_MEMORY = 512 * 1024 ** 2;

const MOST_PROCESSES = 8;

/** How something is compressed, told by its first bytes; `null`: in neither of these ways. */
export function programCompressionOf(start: Buffer): ProgramCompression | null {
  const kinds: readonly ProgramCompression[] = ['xz', 'bzip2'];
  return kinds.find((kind) => start.subarray(0, MAGICS[kind].length).equals(MAGICS[kind])) ?? null;
}

/**
 * What xz(1) or bzip2(1) decompresses, in a container of its own, where nothing but the bytes comes in and out. Whoever doesn't read it to its end calls
 * its `return`, which waits until the container is gone.
 *
 * @param source bytes that are compressed
 * @throws UnsupportedError when the program is not installed; NacelleError `ERR_CHILD` with its words when it fails; what the source fails with
 */
export async function* decompressedBy(
  kind: ProgramCompression,
  source: AsyncIterable<Buffer>,
  { signal, warn }: { readonly signal: AbortSignal | undefined; readonly warn: Warn },
): AsyncGenerator<Buffer, void, undefined> {
  const what = `unpacking what ${kind} has compressed`;
  const container = await hostProgram(
    { name: kind, package: PACKAGES[kind], what },
    {
      command: [kind, '-dc'],
      stdin: 'pipe',
      ulimits: { as: MOST_MEMORY, fsize: 0 },
      pidsLimit: MOST_PROCESSES,
    },
    warn,
  );
  try {
    const { stdin, stdout, stderr } = container;
    if (!stdin || !stdout) throw new NacelleError(`${what}: the program has no pipes`, { code: 'ERR_INTERNAL' });
    const words = lastWords(stderr);
    await container.start();
    // a source that fails ends the program too; a program that refuses its input breaks the pipe
    const fed = pipeline(source, stdin, signal ? { signal } : {}).then(() => null, brokenBy);
    yield* piecesOf(stdout);
    const { exitCode, status } = await container.wait();
    const failure = await fed;
    if (failure) throw failure.error;
    if (exitCode !== 0) throw new NacelleError((await words) || `${kind} has failed: ${status}`, { code: 'ERR_CHILD' });
  } finally {
    await container.remove({ force: true });
  }
}

async function* piecesOf(stream: Readable): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of stream) yield chunk;
}

function brokenBy(error: unknown): { readonly error: unknown } | null {
  return hasCode(error, 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE') ? null : { error };
}
