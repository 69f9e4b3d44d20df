import type { LayerFile } from './layer-file.js';

/** What is in a folder that is copied as it is, where nothing was. */
export interface CopiedFolder {
  /** Its path in the layer. */
  readonly target: string;
  /** The name of what is at a place there, and the file as the layer has it. */
  name(place: number): string;
  file(place: number): LayerFile;
}

/** Files of a folder that come one after the other, by their places there. */
interface Run {
  readonly of: CopiedFolder;
  readonly from: number;
  to: number;
  /** The first place whose name is not yet in the folder's `places`. */
  unnamed: number;
}

/** What was added of a folder. */
interface FolderRuns {
  readonly runs: Run[];
  /** The runs whose names are in `places` and that no more come to. */
  done: number;
  /** `null` until somebody asks. */
  places: Map<string, { readonly of: CopiedFolder; readonly place: number }> | null;
}

/**
 * The files of a layer, in its order. There may be millions, most of which lie in folders that are copied as they are: of these there are only the places in
 * that folder, and each file is made anew whenever it is asked for.
 */
export class LaidFiles implements Iterable<LayerFile> {
  /** No two of them have one path: of those that do the last counts. */
  areUnique = true;
  readonly #items: (LayerFile | Run)[] = [];
  readonly #folders = new Map<string, FolderRuns>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(file: LayerFile): void {
    this.#items.push(file);
    this.#length++;
  }

  /** Adds a file that has the path of no other. */
  pushFrom(of: CopiedFolder, place: number): void {
    const last = this.#items.at(-1);
    this.#length++;
    if (last && isRun(last) && last.of === of && last.to === place) {
      last.to++;
      return;
    }
    const run = { of, from: place, to: place + 1, unnamed: place };
    this.#items.push(run);
    this.#folderOf(of.target).runs.push(run);
  }

  #folderOf(target: string): FolderRuns {
    const known = this.#folders.get(target);
    if (known) return known;
    const folder: FolderRuns = { runs: [], done: 0, places: null };
    this.#folders.set(target, folder);
    return folder;
  }

  *[Symbol.iterator](): Generator<LayerFile, void, undefined> {
    for (const item of this.#items) {
      if (!isRun(item)) yield item;
      else for (let place = item.from; place < item.to; place++) yield item.of.file(place);
    }
  }

  /** The file of a path that was added by its place. */
  find(path: string): LayerFile | undefined {
    const end = path.lastIndexOf('/');
    const folder = this.#folders.get(path.slice(0, Math.max(0, end)));
    if (!folder) return undefined;
    const found = placesIn(folder).get(path.slice(end + 1));
    return found?.of.file(found.place);
  }
}

function isRun(item: LayerFile | Run): item is Run {
  return 'of' in item;
}

/** By the names. Takes in what was added since it was last asked, for many ask in between. */
function placesIn(folder: FolderRuns): NonNullable<FolderRuns['places']> {
  folder.places ??= new Map();
  for (const run of folder.runs.slice(folder.done)) {
    for (; run.unnamed < run.to; run.unnamed++) folder.places.set(run.of.name(run.unnamed), { of: run.of, place: run.unnamed });
  }
  // the last one may still grow
  folder.done = folder.runs.length - 1;
  return folder.places;
}
