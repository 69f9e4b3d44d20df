import { NacelleError } from '../../errors.js';
import { parseDigest } from '../../image/formats/digest.js';
import { clearTimeout, setTimeout } from '../../native/clock.js';
import { readUrlNote, writeUrlNote } from '../cache/url-notes.js';
import type { BuildNetwork } from '../files/build-network.js';
import { type FetchedFile, fetchFile, type NotedFile } from '../files/fetch-file.js';
import { InstructionProblem } from '../language/build-error.js';

/** How the file of a URL is fetched. */
export interface UrlWishes {
  /** What is expected; '': nothing. */
  readonly checksum: string;
  /** `null`: the machine's own. */
  readonly via: BuildNetwork | null;
  /** `timeout`: ms that each file may take; 0: as long as it does. */
  readonly limits: { readonly timeout?: number | undefined };
  /** A server is asked whether it has what an earlier build fetched, which is not fetched again then. */
  readonly asksFirst: boolean;
  readonly signal: AbortSignal | undefined;
}

/** A server had said that it has what it had before, and then it had something else. */
export class OtherContent extends Error {}

/**
 * Fetches a file, unless the server has what is known of it already.
 *
 * @param fetched takes the file as soon as it is there: whoever calls this closes it
 * @throws InstructionProblem; ImageError `ERR_IMAGE_LIMIT`; NacelleError `ERR_TIMEOUT`
 */
export async function fetchUrl(
  url: URL,
  { checksum, via, limits, asksFirst, signal }: UrlWishes,
  fetched: FetchedFile[],
): Promise<FetchedFile | NotedFile> {
  const what = `ADD of ${url.href}`;
  const algorithm = checksum === '' ? 'sha256' : parseDigest(checksum).algorithm;
  const note = asksFirst ? await readUrlNote(url) : null;
  // what is not the file that is expected is fetched anew, for the server may have the right one
  const known = note && (checksum === '' || checksum === `sha256:${note.hash}`) ? note : null;
  const file = await within(limits.timeout ?? 0, what, signal, (ends) => fetchFile({ url, algorithm, network: via, signal: ends, known }));
  if (!('file' in file)) return file;
  fetched.push(file);
  if (checksum !== '' && file.digest !== checksum)
    throw new InstructionProblem(`${what}: digest mismatch ${file.digest}: ${checksum} is expected`);
  const { etag, hash, size, mtime } = file;
  if (etag !== null) await writeUrlNote(url, { etag, hash, size, mtime });
  return file;
}

/** Fetches a file that is only known. @throws OtherContent; as {@link fetchUrl} */
export async function fetchNoted({ url, hash }: NotedFile, wishes: UrlWishes, fetched: FetchedFile[]): Promise<FetchedFile> {
  const file = await fetchUrl(url, { ...wishes, asksFirst: false }, fetched);
  if ('file' in file && file.hash === hash) return file;
  throw new OtherContent();
}

/** Ends some work by its signal when it takes too long. @throws NacelleError `ERR_TIMEOUT` */
async function within<T>(
  timeout: number,
  what: string,
  signal: AbortSignal | undefined,
  work: (ends: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  if (timeout === 0) return work(signal);
  const over = new AbortController();
  const late = (): void => over.abort(new NacelleError(`${what}: not within ${timeout} ms`, { code: 'ERR_TIMEOUT' }));
  const timer = setTimeout(late, timeout);
  try {
    return await work(signal ? AbortSignal.any([signal, over.signal]) : over.signal);
  } finally {
    clearTimeout(timer);
  }
}
