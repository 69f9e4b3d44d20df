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
}

/** Which names are in the runs of a folder, as far as these went. */
interface Index {
  readonly places: ReadonlyMap<string, { readonly of: CopiedFolder; readonly place: number }>;
  readonly length: number;
}

/**
 * The files of a layer, in its order. There may be millions, most of which lie in folders that are copied as they are: of these there are only the places in
 * that folder, and each file is made anew whenever it is asked for.
 */
export class LaidFiles implements Iterable<LayerFile> {
  /** No two of them have one path: of those that do the last counts. */
  areUnique = true;
  readonly #items: (LayerFile | Run)[] = [];
  readonly #runs = new Map<string, Run[]>();
  readonly #indexes = new Map<string, Index>();
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
    const run = { of, from: place, to: place + 1 };
    this.#items.push(run);
    const others = this.#runs.get(of.target);
    if (others) others.push(run);
    else this.#runs.set(of.target, [run]);
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
    const folder = path.slice(0, Math.max(0, end));
    const runs = this.#runs.get(folder);
    if (!runs) return undefined;
    const length = runs.reduce((sum, { from, to }) => sum + to - from, 0);
    const known = this.#indexes.get(folder);
    const index = known?.length === length ? known : { places: placesIn(runs), length };
    this.#indexes.set(folder, index);
    const found = index.places.get(path.slice(end + 1));
    return found?.of.file(found.place);
  }
}

function isRun(item: LayerFile | Run): item is Run {
  return 'of' in item;
}

function placesIn(runs: readonly Run[]): Index['places'] {
  const places = new Map<string, { of: CopiedFolder; place: number }>();
  for (const { of, from, to } of runs) for (let place = from; place < to; place++) places.set(of.name(place), { of, place });
  return places;
}
