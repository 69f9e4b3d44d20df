import { doAll } from '../../errors.js';
import type { MadeLayer } from '../../image/layers/add-compressed.js';
import type { StepOutcome } from '../cache/step-cache.js';
import type { Common, CopyInput } from '../cache/step-key.js';
import type { ArchiveEntry } from '../files/archive-files.js';
import { Spools } from '../files/archive-spool.js';
import { BuildNetwork } from '../files/build-network.js';
import { madeFolderMode, parseChmod } from '../files/chmod.js';
import { findOwner } from '../files/chown.js';
import { copiedContent, type RemoteContent } from '../files/copied-content.js';
import type { FetchedFile, NotedFile } from '../files/fetch-file.js';
import type { GitFiles } from '../files/fetch-git.js';
import { EMPTY_TREE, type FileTree } from '../files/file-tree.js';
import { type ArchiveSource, layerFiles } from '../files/layer-files.js';
import { RememberedTree } from '../files/remembered-tree.js';
import { uniquePaths } from '../files/unique-paths.js';
import { expandWord } from '../language/expand-words.js';
import { IgnoreRules } from '../language/ignore-file.js';
import type { Add, Copy } from '../language/instruction-types.js';
import { addLayer } from './add-layer.js';
import { type Fetching, fetchSources, type RemoteFolder, requireNoUrl, requireSources, type Source } from './add-sources.js';
import { fetchNoted, OtherContent } from './fetch-url.js';
import { withFiles } from './stage-files.js';
import { imageOf, type StageState } from './stage-state.js';

/** A COPY or an ADD as it is to be carried out: its variables have their values. */
export interface ReadCopy {
  readonly sources: readonly string[];
  readonly inline: readonly { readonly name: string; readonly content: string }[];
  readonly chown: string;
  readonly chmod: string;
  readonly excludes: readonly string[];
  /** Absolute; a '/' at its end counts. */
  readonly target: string;
  readonly parents: boolean;
  /** Which archives are unpacked: those of the context, those that are fetched too, or none. */
  readonly unpacks: CopyInput['unpacks'];
  /** What is expected of a file that is fetched; '': nothing. */
  readonly checksum: string;
  /** `.git` of a repository stays; `null`: it isn't said. */
  readonly keepGitDir: boolean | null;
  /** The files before don't count: the layer is made as for a stage without any. */
  readonly isLinked: boolean;
  /** For the history. */
  readonly words: string;
}

/** A folder as the files that a stage begins with. */
export const WHOLE_FOLDER: ReadCopy = {
  ...{ sources: ['.'], inline: [], excludes: [], chown: '', chmod: '', checksum: '', keepGitDir: null, words: '' },
  ...{ target: '/', parents: false, unpacks: 'none', isLinked: false },
};

/** @throws InstructionProblem */
export function readCopy(instruction: Copy | Add, { scope, config }: Pick<StageState, 'scope' | 'config'>, escaper: string): ReadCopy {
  const sources = instruction.sources.map((source) => scope.expand(source));
  const checksum = instruction.kind === 'add' ? scope.expand(instruction.checksum) : '';
  if (instruction.kind === 'add') requireSources(sources, checksum);
  else requireNoUrl(sources);
  const inline = instruction.inline.map(({ name, content, expand }) => ({
    name,
    content: expand ? expandWord(content, { escaper, lookup: scope.lookup, plainQuotes: true }).text : content,
  }));
  const [chown, chmod] = [scope.expand(instruction.chown), scope.expand(instruction.chmod)];
  const target = scope.expand(instruction.target);
  const parents = instruction.kind === 'copy' && instruction.parents;
  // BuildKit's history has these flags alone
  const flags = [
    ...(parents ? ['--parents'] : []),
    ...(chown === '' ? [] : [`--chown=${chown}`]),
    ...(chmod === '' ? [] : [`--chmod=${chmod}`]),
  ];
  return {
    ...{ sources, inline, chown, chmod, parents, checksum },
    keepGitDir: instruction.kind === 'add' ? instruction.keepGitDir : null,
    excludes: instruction.excludes,
    target: config.absolute(target),
    unpacks: instruction.kind === 'copy' || instruction.unpack === false ? 'none' : instruction.unpack ? 'all' : 'local',
    // as BuildKit, which has no layer of its own for what --chmod changes
    isLinked: instruction.link && chmod === '',
    words: [instruction.line.word.toUpperCase(), ...flags, ...sources, ...inline.map(({ name }) => `<<${name}`), target].join(' '),
  };
}

/** What a COPY or an ADD is carried out with. */
export interface CopyStep extends Pick<Fetching, 'network' | 'limits' | 'secrets' | 'ssh' | 'signal' | 'warn' | 'asksFirst'> {
  /** What is copied from, and what of it is left out. */
  readonly from: FileTree;
  readonly ignored: IgnoreRules | null;
  readonly layers: StageState['layers'];
  /** The latest time of files; seconds since the epoch. */
  readonly epoch: number | null;
  readonly now: number;
  /** Takes the layer of an earlier build, or makes it. */
  readonly cached: (input: Omit<CopyInput, keyof Common>, make: () => Promise<MadeLayer | null>) => Promise<StepOutcome>;
}

/** @throws InstructionProblem, and what reading files, fetching and mounting throws */
export async function copyStep(read: ReadCopy, step: CopyStep): Promise<StepOutcome> {
  const fetched: FetchedFile[] = [];
  const { network, limits, signal, warn } = step;
  const { memory, cpus, userns } = limits;
  const via = network === 'host' ? null : new BuildNetwork({ network, limits: { memory, cpus, userns }, signal, warn });
  try {
    const { checksum, keepGitDir } = read;
    const fetching = { ...step, checksum, keepGitDir, via };
    const copy = async (asksFirst: boolean): Promise<StepOutcome> => {
      const wishes = { ...fetching, asksFirst };
      const sources = await fetchSources(read.sources, wishes, fetched);
      return copied(read, sources, { ...step, whole: (noted) => fetchNoted(noted, wishes, fetched) });
    };
    return await copy(step.asksFirst).catch((error: unknown) => {
      if (error instanceof OtherContent) return copy(false);
      throw error;
    });
  } finally {
    await doAll([
      ...fetched.map(
        ({ file }) =>
          () =>
            file.close(),
      ),
      async () => via?.close(),
    ]);
  }
}

async function copied(
  { inline, excludes, chown, chmod, target, parents, unpacks, isLinked }: ReadCopy,
  sources: readonly Source[],
  {
    from: tree,
    ignored,
    layers,
    epoch,
    now,
    signal,
    warn,
    cached,
    whole,
  }: CopyStep & { readonly whole: (noted: NotedFile) => Promise<FetchedFile> },
): Promise<StepOutcome> {
  // looked at for the key, and again for the layer
  const from = new RememberedTree(tree, signal);
  const folderMode = madeFolderMode(chmod);
  const copy = {
    ...{ from, ignored, inline, parents },
    excludes: new IgnoreRules([...excludes]),
    chmod: chmod === '' ? null : parseChmod(chmod),
  };
  const { digest: content, bytes: known } = await copiedContent({
    ...copy,
    sources: sources.map((source) => withFilters(source, { chmod, excludes })),
    hasOwner: chown !== '',
    signal,
  });
  const make = async (onto: FileTree): Promise<MadeLayer> => {
    const spools = new Spools(warn);
    const opened: GitFiles[] = [];
    const openArchive = async (source: ArchiveSource): Promise<readonly ArchiveEntry[] | null> => {
      if ('path' in source) return spools.entries(source.path, source.size, { tree: from, known, signal });
      return unpacks === 'all' ? spools.entriesIn(source.file, source.size, `ADD of ${source.url.href}`, signal) : null;
    };
    try {
      const local: (string | FetchedFile | GitFiles)[] = [];
      for (const source of sources) {
        if (typeof source === 'string' || 'file' in source) local.push(source);
        else if ('url' in source) local.push(await whole(source));
        else {
          const files = await source.open();
          opened.push(files);
          local.push(files);
        }
      }
      const files = await layerFiles({
        ...copy,
        sources: local,
        ...{ onto, target, folderMode, signal },
        owner: chown === '' ? null : await findOwner(chown, onto),
        madeAt: epoch ?? now,
        openArchive: unpacks === 'none' ? undefined : openArchive,
      });
      return await addLayer(files.areUnique ? files : uniquePaths([...files]), { latest: epoch, known, signal });
    } finally {
      for (const { close } of opened) await close();
      await spools.close();
    }
  };
  return cached({ kind: 'copy', content, target, chown, folderMode, parents, unpacks }, () =>
    isLinked ? make(EMPTY_TREE) : withFiles(imageOf(layers), signal, make),
  );
}

/** What is left out of files that are not there yet, and their modes, count as they are written. */
function withFilters(
  source: Source,
  { chmod, excludes }: Pick<ReadCopy, 'chmod' | 'excludes'>,
): Exclude<Source, RemoteFolder> | RemoteContent {
  if (typeof source === 'string' || 'url' in source) return source;
  return { key: [...source.key, chmod, JSON.stringify(excludes)] };
}
