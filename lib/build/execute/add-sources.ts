import { isDigest } from '../../image/formats/digest.js';
import type { RemoteContent } from '../files/copied-content.js';
import type { FetchedFile, NotedFile } from '../files/fetch-file.js';
import { type GitFiles, gitKey, gitSource, openGit } from '../files/fetch-git.js';
import type { GitPlace } from '../files/git-program.js';
import { agentFor } from '../files/ssh-access.js';
import { InstructionProblem } from '../language/build-error.js';
import { isGit, parseGitReference } from '../language/git-reference.js';
import type { ParsedBuild } from './build-options.js';
import { fetchUrl, type UrlWishes } from './fetch-url.js';

/**
 * Refuses sources of ADD that nothing here fetches, and a checksum where it means nothing.
 *
 * @throws InstructionProblem
 */
export function requireSources(sources: readonly string[], checksum: string): void {
  for (const source of sources) {
    if (isGit(source)) parseGitReference(source);
    else if (isUrl(source)) urlOf(source);
  }
  if (checksum === '') return;
  if (sources.length !== 1) throw new InstructionProblem("checksum can't be specified for multiple sources");
  if (sources.every(isGit)) {
    if (!/^[a-f0-9]{4,64}$/i.test(checksum))
      throw new InstructionProblem(`--checksum=${checksum} is no commit in hexadecimal digits, 4 at least`);
    return;
  }
  if (!sources.every(isUrl)) throw new InstructionProblem('checksum requires HTTP(S) or Git sources');
  if (!isDigest(checksum)) throw new InstructionProblem(`--checksum=${checksum} is no sha256 or sha512 digest`);
}

/** Refuses sources of COPY that ADD would fetch. @throws InstructionProblem */
export function requireNoUrl(sources: readonly string[]): void {
  if (sources.some((source) => isUrl(source) || isGit(source))) throw new InstructionProblem("source can't be a URL for COPY");
}

/** Whether ADD fetches a source as one file, unless it is a repository. */
function isUrl(source: string): boolean {
  return /^https?:\/\//.test(source);
}

/** A repository of which the commit is known, and the files are not fetched. */
export interface RemoteFolder extends RemoteContent {
  readonly open: () => Promise<GitFiles>;
}

export interface Fetching extends GitPlace, Pick<UrlWishes, 'checksum' | 'asksFirst' | 'via'> {
  /** `null`: it isn't said. */
  readonly keepGitDir: boolean | null;
  readonly network: ParsedBuild['network'];
  /** Seconds since the epoch. */
  readonly now: number;
}

/** A source as it is written, or what there is for a URL. */
export type Source = string | FetchedFile | NotedFile | RemoteFolder;

/**
 * Fetches the sources that are URLs, and finds the commits of those that are repositories.
 *
 * @param fetched takes each file as soon as it is there: whoever calls this closes them
 * @returns the sources, each URL replaced by its file
 * @throws InstructionProblem; ImageError `ERR_IMAGE_LIMIT`; NacelleError `ERR_TIMEOUT`; UnsupportedError without git(1), ssh(1) or getent(1)
 */
export async function fetchSources(sources: readonly string[], fetching: Fetching, fetched: FetchedFile[]): Promise<Source[]> {
  const { checksum, keepGitDir, network, now } = fetching;
  const found: Source[] = [];
  for (const source of sources) {
    const isRepository = isGit(source);
    if (!isRepository && !isUrl(source)) {
      found.push(source);
      continue;
    }
    if (network === 'none') throw new InstructionProblem(`ADD of ${source}: the build has no network: the option network gives it one`);
    if (isRepository) {
      const reference = parseGitReference(source);
      // also before a layer of an earlier build is taken, as for a mount of RUN
      if (reference.scheme === 'ssh') agentFor(reference.remote, fetching.ssh);
      const git = await gitSource(reference, { checksum: checksum.toLowerCase(), keepGitDir, place: fetching });
      found.push({ key: gitKey(git), open: () => openGit(git, { now, place: fetching }) });
    } else found.push(await fetchUrl(urlOf(source), fetching, fetched));
  }
  return found;
}

function urlOf(source: string): URL {
  if (!URL.canParse(source)) throw new InstructionProblem(`ADD of ${JSON.stringify(source)}: it is no URL`);
  const url = new URL(source);
  if (url.username === '' && url.password === '') return url;
  throw new InstructionProblem(`ADD of a URL of ${url.host}: it has a name or a password, which would be in the history`);
}
