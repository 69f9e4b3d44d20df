import { isDigest, parseDigest } from '../../image/formats/digest.js';
import { type FetchedFile, fetchFile } from '../files/fetch-file.js';
import { InstructionProblem } from '../language/build-error.js';
import type { ParsedBuild } from './build-options.js';

const GIT = /^(?:git:\/\/|ssh:\/\/|git@)|^https?:\/\/[^?#]*\.git(?:[?#]|$)/;

/**
 * Refuses sources of ADD that nothing here fetches, and a checksum where it means nothing.
 *
 * @throws InstructionProblem
 */
export function requireSources(sources: readonly string[], checksum: string): void {
  const git = sources.find((source) => GIT.test(source));
  if (git !== undefined) throw new InstructionProblem(`ADD of ${JSON.stringify(git)}: git repositories are not supported`);
  for (const source of sources.filter(isUrl)) urlOf(source);
  if (checksum === '') return;
  if (sources.length !== 1) throw new InstructionProblem("checksum can't be specified for multiple sources");
  if (!sources.every(isUrl)) throw new InstructionProblem('checksum requires HTTP(S) sources');
  if (!isDigest(checksum)) throw new InstructionProblem(`--checksum=${checksum} is no sha256 or sha512 digest`);
}

/** Refuses sources of COPY that ADD would fetch. @throws InstructionProblem */
export function requireNoUrl(sources: readonly string[]): void {
  if (sources.some((source) => isUrl(source) || GIT.test(source))) throw new InstructionProblem("source can't be a URL for COPY");
}

/** Whether ADD fetches a source. */
export function isUrl(source: string): boolean {
  return /^https?:\/\//.test(source);
}

/**
 * Fetches the sources that are URLs.
 *
 * @param checksum what is expected; '': nothing
 * @param fetched takes each file as soon as it is there: whoever calls this closes them
 * @returns the sources, each URL replaced by its file
 * @throws InstructionProblem; ImageError `ERR_IMAGE_LIMIT`
 */
export async function fetchSources(
  sources: readonly string[],
  {
    checksum,
    network,
    signal,
  }: { readonly checksum: string; readonly network: ParsedBuild['network']; readonly signal: AbortSignal | undefined },
  fetched: FetchedFile[],
): Promise<(string | FetchedFile)[]> {
  const found: (string | FetchedFile)[] = [];
  for (const source of sources) {
    if (!isUrl(source)) {
      found.push(source);
      continue;
    }
    if (network === 'none') throw new InstructionProblem(`ADD of ${source}: the build has no network: the option network gives it one`);
    const algorithm = checksum === '' ? 'sha256' : parseDigest(checksum).algorithm;
    const file = await fetchFile({ url: urlOf(source), algorithm, reachesHost: network === 'host', signal });
    fetched.push(file);
    if (checksum !== '' && file.digest !== checksum)
      throw new InstructionProblem(`ADD of ${source}: digest mismatch ${file.digest}: ${checksum} is expected`);
    found.push(file);
  }
  return found;
}

function urlOf(source: string): URL {
  if (!URL.canParse(source)) throw new InstructionProblem(`ADD of ${JSON.stringify(source)}: it is no URL`);
  const url = new URL(source);
  if (url.username === '' && url.password === '') return url;
  throw new InstructionProblem(`ADD of a URL of ${url.host}: it has a name or a password, which would be in the history`);
}
