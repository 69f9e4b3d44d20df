import { InstructionProblem } from './build-error.js';

/** A git repository, and what of it is meant, as ADD names it. */
export interface GitReference {
  /** Without what BuildKit adds to a URL. */
  readonly remote: string;
  readonly scheme: 'https' | 'http' | 'git' | 'ssh';
  /** A branch, a tag, a whole name below refs/, or a commit; '' is the default branch. */
  readonly ref: string;
  /** The folder that is taken, without '/' at its ends; '' is all of it. */
  readonly subdir: string;
  /** How the commit, or an annotated tag, begins that is expected; '': nothing is. */
  readonly checksum: string;
  /** `null`: it isn't said. */
  readonly keepGitDir: boolean | null;
  readonly submodules: boolean;
  /** Which time the files have: when they are fetched, or that of the commit. */
  readonly mtime: 'checkout' | 'commit';
  /** The checksum is what is fetched: what `ref` names is not asked for. */
  readonly byCommit: boolean;
}

const SCHEME = /^(https?|git|ssh):\/\//i;
/** As scp(1) writes a place: no '/' comes before the colon. */
const LIKE_SCP = /^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:(?!\/\/)/;
const HEX = /^[a-f0-9]+$/i;
/** What check-ref-format(1) refuses of names; a word that begins with '-' would be an option. */
const BAD_REF = /^-|^\/|\/$|\.\.|\/\/|@\{|[\p{Cc} ~^:?*[\\]|\.lock(?:\/|$)|\.$/u;
const COMMIT = /^(?:[a-f0-9]{40}|[a-f0-9]{64})$/;

/** Whether a text is a commit's whole name, by SHA-1 or SHA-256. */
export function isCommit(text: string): boolean {
  return COMMIT.test(text);
}

/** Whether a source of ADD is a git repository, as BuildKit tells: by its scheme, and with HTTP by a path that ends with '.git'. */
export function isGit(source: string): boolean {
  if (/^(?:git|ssh):\/\//i.test(source)) return true;
  if (/^https?:\/\//i.test(source)) return /^[^?#]*\.git(?:[?#]|$)/.test(source);
  return LIKE_SCP.test(source);
}

/**
 * Reads `URL#REF:FOLDER`, and `URL?ref=…&subdir=…` with the words that BuildKit has (dfgitutil).
 *
 * @param source {@link isGit}
 * @throws InstructionProblem
 */
export function parseGitReference(source: string): GitReference {
  const bad = (why: string): InstructionProblem => new InstructionProblem(`ADD of ${JSON.stringify(source)}: ${why}`);
  const [address = '', fragment = ''] = cut(source, '#');
  const [remote = '', query = ''] = cut(address, '?');
  const scheme = (SCHEME.exec(remote)?.[1] ?? 'ssh').toLowerCase();
  if (scheme !== 'https' && scheme !== 'http' && scheme !== 'git' && scheme !== 'ssh') throw bad(`${scheme}:// is not fetched`);
  if (scheme === 'ssh') requireSshPlace(remote, bad);
  else requireUrl(remote, bad);
  const [fragmentRef = '', fragmentFolder = ''] = cut(fragment, ':');
  const words = wordsOf(query, bad);
  const once = (name: string, ...values: readonly string[]): string => {
    const [first = '', other] = [...new Set(values.filter((value) => value !== ''))];
    if (other !== undefined) throw bad(`${name} conflicts: ${JSON.stringify(first)} and ${JSON.stringify(other)}`);
    return first;
  };
  const below = (folder: string, name: string): string => (name === '' || name.startsWith(folder) ? name : `${folder}${name}`);
  const text = (name: string): string => words.get(name) ?? '';
  const checksum = once('checksum', text('checksum'), text('commit')).toLowerCase();
  const named = once('ref', fragmentRef, text('ref'), below('refs/tags/', text('tag')), below('refs/heads/', text('branch')));
  const mtime = text('mtime') || 'commit';
  const byCommit = flagOf('fetch-by-commit', words, bad) ?? false;
  if (mtime !== 'checkout' && mtime !== 'commit') throw bad(`invalid mtime value: ${JSON.stringify(mtime)}`);
  if (checksum !== '' && !HEX.test(checksum))
    throw bad(`invalid checksum ${JSON.stringify(checksum)}: a commit in hexadecimal digits is expected`);
  if (byCommit && !isCommit(checksum)) throw bad('fetch-by-commit requires a whole commit as the checksum');
  const ref = named || checksum;
  if (ref !== '' && BAD_REF.test(ref)) throw bad(`${JSON.stringify(ref)} is no name of a branch, a tag or a commit`);
  return {
    ...{ remote, scheme, ref, checksum, mtime, byCommit },
    subdir: folderOf(once('subdir', fragmentFolder, text('subdir'))),
    keepGitDir: flagOf('keep-git-dir', words, bad),
    submodules: flagOf('submodules', words, bad) ?? true,
  };
}

function cut(text: string, sign: string): readonly string[] {
  const at = text.indexOf(sign);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** The history shows the URL, so that it has no password. */
function requireUrl(remote: string, bad: (why: string) => InstructionProblem): void {
  if (!URL.canParse(remote)) throw bad('it is no URL');
  const { username, password, host } = new URL(remote);
  if (username !== '' || password !== '')
    throw new InstructionProblem(`ADD of a repository of ${host}: its URL has a name or a password, which would be in the history`);
}

/** No word of it can be an option of a program, or something that a shell or a pattern reads. */
const SSH_USER = '[A-Za-z0-9_][A-Za-z0-9._-]*';
const SSH_HOST = '[A-Za-z0-9][A-Za-z0-9.-]*';
const SSH_URL = new RegExp(String.raw`^ssh://(?:${SSH_USER}@)?(${SSH_HOST}|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?/(?!-)\P{Cc}+$`, 'iu');
const SSH_PLACE = new RegExp(String.raw`^${SSH_USER}@(${SSH_HOST}):(?!-)\P{Cc}+$`, 'u');

function requireSshPlace(remote: string, bad: (why: string) => InstructionProblem): void {
  const [authority = ''] = /^ssh:\/\//i.test(remote) ? remote.slice('ssh://'.length).split('/', 1) : [];
  const [user, host] = cut(authority, '@');
  if (host !== undefined && user?.includes(':'))
    throw new InstructionProblem(`ADD of a repository of ${host}: its URL has a password, which would be in the history`);
  if (sshHostOf(remote) === '') throw bad('it is none of ssh://[USER@]HOST[:PORT]/PATH and USER@HOST:PATH');
}

/** The host of a repository by SSH, as ssh(1) is told it; '': it is no such place. */
export function sshHostOf(remote: string): string {
  const [, host = ''] = SSH_URL.exec(remote) ?? SSH_PLACE.exec(remote) ?? [];
  return host.replace(/^\[(.*)\]$/, '$1');
}

const WORDS = new Set(['ref', 'tag', 'branch', 'subdir', 'checksum', 'commit', 'keep-git-dir', 'submodules', 'mtime', 'fetch-by-commit']);
const FLAGS = new Set(['keep-git-dir', 'submodules', 'fetch-by-commit']);

function wordsOf(query: string, bad: (why: string) => InstructionProblem): ReadonlyMap<string, string> {
  const words = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!WORDS.has(name)) throw bad(`unexpected query ${JSON.stringify(name)}`);
    if (words.has(name)) throw bad(`query ${JSON.stringify(name)} has multiple values`);
    if (value === '' && !FLAGS.has(name)) throw bad(`query ${JSON.stringify(name)} has no value`);
    words.set(name, value);
  }
  return words;
}

/** As Go's ParseBool; a word without a value is true. */
function flagOf(name: string, words: ReadonlyMap<string, string>, bad: (why: string) => InstructionProblem): boolean | null {
  const value = words.get(name);
  if (value === undefined) return null;
  if (['', '1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw bad(`invalid ${name} value: ${JSON.stringify(value)}`);
}

/** `..` doesn't lead above the repository. */
function folderOf(written: string): string {
  const names: string[] = [];
  for (const name of written.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names.join('/');
}

/**
 * The object that a reference names, by what ls-remote(1) tells of a repository: as git-checkout(1), a branch before a tag.
 *
 * @returns `commit`: what is checked out; `ref`: its whole name; `null`: there is none of that name
 */
export function refIn(
  listing: string,
  name: string,
): { readonly commit: string; readonly tag: string | null; readonly ref: string } | null {
  const found = new Map<string, string>();
  for (const line of listing.split('\n')) {
    const [object = '', ref = ''] = cut(line, '\t');
    if (isCommit(object)) found.set(ref, object);
  }
  const whole = name === '' || name === 'HEAD' ? 'HEAD' : `refs/${name.replace(/^refs\//, '')}`;
  const [branch, tag] = [`refs/heads/${name.replace(/^refs\/heads\//, '')}`, `refs/tags/${name.replace(/^refs\/tags\//, '')}`];
  for (const ref of [whole, branch, tag]) {
    const object = found.get(ref);
    if (object === undefined) continue;
    const peeled = found.get(`${ref}^{}`);
    return { commit: peeled ?? object, tag: peeled === undefined ? null : object, ref };
  }
  return null;
}
