import type { FileTree } from './file-tree.js';
import type { LayerFile } from './layer-file.js';

/** Bytes of a batch: files that are larger are read when it is their turn, piece by piece. */
const BATCH = 1024 * 1024;
const SMALL = BATCH / 8;
/** Entries of a batch. */
const MOST = 2048;

/** Some files that come one after the other. */
export interface ContentBatch {
  readonly files: readonly LayerFile[];
  /** The bytes of a small file that is in a tree; `null`: that of any other has to be read. Good until the next batch is asked for. */
  contentOf(place: number): Uint8Array | null;
}

/** What is read at once. */
class Planned {
  readonly files: LayerFile[] = [];
  readonly small: { readonly path: string; readonly size: number }[] = [];
  /** Where the bytes of each file begin; -1: they are not read. */
  readonly starts: number[] = [];
  tree: FileTree | null = null;
  bytes = 0;

  /** Whether a file has its place in this batch. */
  takes(file: LayerFile): boolean {
    const source = sourceOf(file);
    if (this.files.length >= MOST || (source && this.tree && this.tree !== source.tree)) return false;
    if (!source) this.starts.push(-1);
    else if (this.bytes + file.size > BATCH) return false;
    else {
      this.tree = source.tree;
      this.starts.push(this.bytes);
      this.small.push({ path: source.path, size: file.size });
      this.bytes += file.size;
    }
    this.files.push(file);
    return true;
  }
}

/**
 * Files in their order, the small ones of a tree with their bytes: many are read at once, while those before are worked on.
 *
 * @throws as `FileTree.read`
 */
export async function* contentBatches(files: Iterable<LayerFile>): AsyncGenerator<ContentBatch, void, undefined> {
  const places = [Buffer.allocUnsafeSlow(BATCH), Buffer.allocUnsafeSlow(BATCH)];
  let ahead: Promise<ContentBatch> | null = null;
  try {
    let turn = 0;
    for (const planned of plan(files)) {
      const next = filled(planned, places[turn++ % 2] ?? Buffer.alloc(0));
      // whoever asks for this batch hears of a failure
      next.catch(() => undefined);
      const before: Promise<ContentBatch> | null = ahead;
      ahead = next;
      if (before) yield await before;
    }
    if (ahead) yield await ahead;
  } finally {
    // what was begun and is not wanted any more
    await Promise.allSettled([ahead]);
  }
}

function* plan(files: Iterable<LayerFile>): Generator<Planned, void, undefined> {
  let batch = new Planned();
  for (const file of files) {
    if (batch.takes(file)) continue;
    yield batch;
    batch = new Planned();
    batch.takes(file);
  }
  yield batch;
}

function sourceOf({ bytes, size }: LayerFile): { readonly tree: FileTree; readonly path: string } | null {
  return bytes !== null && 'tree' in bytes && size <= SMALL ? bytes : null;
}

async function filled({ files, tree, small, starts }: Planned, into: Buffer): Promise<ContentBatch> {
  if (tree) await tree.read(small, into);
  return {
    files,
    contentOf: (place) => {
      const [start = -1, size = 0] = [starts[place], files[place]?.size];
      return start < 0 ? null : into.subarray(start, start + size);
    },
  };
}
