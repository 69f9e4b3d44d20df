import { doAll, toError, withCleanupError } from '../../errors.js';
import { temporaryFolder } from '../../store/temporary-folder.js';
import { InstructionProblem } from '../language/build-error.js';
import { type GitReference, isCommit, refIn } from '../language/git-reference.js';
import type { ArchiveEntry } from './archive-files.js';
import { Spools } from './archive-spool.js';
import { writeContext } from './context-folder.js';
import { FolderTree } from './file-tree.js';
import { type GitPlace, WORK, withGit } from './git-program.js';

/** A commit of a repository, which is fetched when its files are needed. */
export interface GitSource {
  readonly reference: GitReference;
  readonly commit: string;
  /** The whole name of the branch or tag; '' for a commit that nothing else names. */
  readonly ref: string;
  readonly keepGitDir: boolean;
}

/** The files of a commit, in a folder of the store until it is closed. */
export interface GitFiles {
  readonly tree: FolderTree;
  /** The folder in it that is meant. */
  readonly path: string;
  close(): Promise<void>;
}

/** Lists the references of that name, and the objects that annotated tags are for. */
const LIST = 'exec git ls-remote -q -- "$1" "$2" "$2^{}"';

/**
 * A server by dumb HTTP has no shallow commits, and one of an old protocol gives no commit that no name leads to: all of it is fetched then.
 */
const FETCH = `
git init -q ${WORK}
cd ${WORK}
git remote add origin "$1"
git fetch -q --depth=1 --no-tags origin "$2" 2>/dev/null || git fetch -q origin '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*'
case "$3" in refs/tags/*) git fetch -q --depth=1 --no-tags origin "+$3:$3" 2>/dev/null || test -n "$(git tag)" ;; esac
git checkout -q --detach "$2"
case "$3" in refs/heads/*) git update-ref "$3" "$2" ;; esac
if test "$4" = yes; then git submodule -q update --init --recursive --depth=1; fi
git reflog expire --all --expire=now
rm -f .git/FETCH_HEAD
exec git show -s --no-show-signature --format=%ct HEAD
`;

/**
 * Finds the commit that a reference means. One that names it is not asked for.
 *
 * @param options.checksum of the flag; '': none
 * @throws InstructionProblem for a reference that is not there, or another commit than is expected; as {@link withGit}
 */
export async function gitSource(
  reference: GitReference,
  { checksum: flag, keepGitDir, place }: { readonly checksum: string; readonly keepGitDir: boolean | null; readonly place: GitPlace },
): Promise<GitSource> {
  const { remote, ref, byCommit } = reference;
  const bad = (why: string): InstructionProblem => new InstructionProblem(`ADD of the repository ${remote}: ${why}`);
  if (keepGitDir !== null && reference.keepGitDir !== null && keepGitDir !== reference.keepGitDir)
    throw bad('inconsistent keep-git-dir configuration');
  if (flag !== '' && reference.checksum !== '' && flag !== reference.checksum)
    throw bad(`checksum mismatch ${flag} != ${reference.checksum}`);
  const checksum = flag || reference.checksum;
  const keeps = keepGitDir ?? reference.keepGitDir ?? false;
  const common = { reference, keepGitDir: keeps };
  if (byCommit) return { ...common, commit: checksum, ref: '' };
  if (isCommit(ref)) {
    if (!ref.startsWith(checksum)) throw bad(`expected checksum to match ${checksum}, got ${ref}`);
    return { ...common, commit: ref, ref: '' };
  }
  const listing = await withGit(reference, place, { script: LIST, args: [remote, ref || 'HEAD'] }, async (_, said) => said);
  const found = refIn(listing, ref);
  if (found === null) throw bad(`it does not contain ref ${JSON.stringify(ref || 'HEAD')}`);
  const { commit, tag } = found;
  if (!commit.startsWith(checksum) && tag?.startsWith(checksum) !== true)
    throw bad(`expected checksum to match ${checksum}, got ${tag === null ? commit : `${commit} or ${tag}`}`);
  return { ...common, commit, ref: found.ref === 'HEAD' ? '' : found.ref };
}

/** All that the files of a commit follow from: the commit tells their content, and what is kept of the repository tells where it was. */
export function gitKey({ reference, commit, ref, keepGitDir }: GitSource): readonly (string | boolean)[] {
  const { remote, subdir, submodules, mtime } = reference;
  return [commit, subdir, submodules, mtime, ...(keepGitDir && subdir === '' ? [remote, ref] : [])];
}

/**
 * Fetches a commit's files. As with BuildKit, the repository itself is there only when it is kept, and of a folder never.
 *
 * @param options.now seconds since the epoch
 * @throws InstructionProblem; ImageError `ERR_IMAGE_LIMIT`; as {@link withGit}
 */
export async function openGit(source: GitSource, { now, place }: { readonly now: number; readonly place: GitPlace }): Promise<GitFiles> {
  const { subdir } = source.reference;
  const { path, close: remove } = await temporaryFolder((folder) => fetchInto(folder, source, { now, place }));
  const closers = [remove];
  const close = (): Promise<void> => doAll(closers.splice(0).reverse());
  try {
    // all that comes from elsewhere is root's
    const tree = await FolderTree.open(path, { ids: { uid: () => 0, gid: () => 0 } });
    closers.push(() => tree.close());
    for (const [index, name] of subdir.split('/').entries()) {
      const below = [...subdir.split('/').slice(0, index), name].join('/');
      if ((await tree.get(below))?.kind !== 'folder')
        throw new InstructionProblem(`${whatOf(source)}: ${JSON.stringify(below)} is no folder in it`);
    }
    return { tree, path: subdir, close };
  } catch (error) {
    throw withCleanupError(error, await close().then(() => undefined, toError));
  }
}

function whatOf({ reference }: GitSource): string {
  return `ADD of the repository ${reference.remote}`;
}

async function fetchInto(
  folder: string,
  source: GitSource,
  { now, place }: { readonly now: number; readonly place: GitPlace },
): Promise<void> {
  const { reference, commit, ref, keepGitDir } = source;
  const { remote, subdir, submodules, mtime } = reference;
  const what = whatOf(source);
  const spools = new Spools(place.warn);
  try {
    const args = [remote, commit, ref, submodules ? 'yes' : 'no'];
    const { entries, time } = await withGit(reference, place, { script: FETCH, args }, async (container, said) => {
      const tar = await container.copyFrom(`${WORK}/`);
      return { entries: await spools.entriesOf(tar, what, place.signal), time: Number(said.trim().split('\n').at(-1)) };
    });
    if (entries === null || !Number.isSafeInteger(time)) throw new InstructionProblem(`${what}: git has left nothing that can be read`);
    const keeps = keepGitDir && subdir === '';
    const stamp = mtime === 'commit' ? time : now;
    await writeContext(folder, timed(keeps ? entries : entries.filter(isOfCommit), stamp), stamp, place.signal);
  } finally {
    await spools.close();
  }
}

function timed(entries: readonly ArchiveEntry[], mtime: number): ArchiveEntry[] {
  return entries.map((entry) => ({ ...entry, mtime }));
}

/** The repository, and where those of submodules were. */
function isOfCommit({ path }: ArchiveEntry): boolean {
  return !path.split('/').includes('.git');
}
