import { lstatSync, readlinkSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { errnoOf } from '../../errors.js';
import { type KnownFiles, knownFiles, type SeenFile } from '../../native/seen-files.js';
import type { CoverEntry, OverlayRecipe, RootRecipe } from '../../plan/recipe.js';

/** As many links as the kernel follows in one path. */
const MOST_LINKS = 40;
/** The most paths of an image that are looked at, each in all layers: links may lead anywhere in it. */
const MOST_PATHS = 1000;

/**
 * An overlay keeps a directory entry, or its absence, once it was looked up: where a folder has another in its place since, or other rights, or
 * where something is there now, the overlay shows what was. These are the entries on the way to the mounts on it. What nobody has looked up yet
 * it shows as it is. The time of the newest change is compared too: a folder may have been elsewhere and come back.
 */
export class LookedUp {
  readonly #known: KnownFiles | null;

  /** @param targets absolute, inside */
  constructor(recipe: RootRecipe, targets: readonly string[], know: (seen: readonly SeenFile[]) => KnownFiles = knownFiles) {
    const seen = new Look(recipe).along(targets);
    this.#known = seen === null ? null : know(seen);
  }

  /** Whether all of them could be looked at. Else changes may be missed. */
  get isWhole(): boolean {
    return this.#known !== null;
  }

  /**
   * Whether nothing has changed, as far as it could be looked at. What is looked at where follows from what was there, so the same places are looked at
   * again, and nothing is worked out anew: a link leads elsewhere only when it is another one.
   */
  isCurrent(): boolean {
    return this.#known === null || this.#known.areAsSeen();
  }
}

/** What is at a path inside. */
interface Entry {
  /** The folders of the host that the overlay shows there as one, the topmost first. */
  readonly folders: readonly string[];
  /** What a link leads to. */
  readonly link: string | null;
}

const NOTHING: Entry = { folders: [], link: null };

/**
 * One look at an image. Its links are followed here, one component after the other: the image may be another's, and the kernel would follow them from
 * the root of the host. So only what is in a folder of the image, which was seen to be no link, is ever looked at.
 */
class Look {
  readonly #recipe: RootRecipe;
  readonly #entries = new Map<string, Entry>();
  readonly #seen: SeenFile[] = [];
  #isWhole = true;

  constructor(recipe: RootRecipe) {
    this.#recipe = recipe;
  }

  /** All that is on the way to these paths; `null`: it can't all be looked at. */
  along(targets: readonly string[]): readonly SeenFile[] | null {
    for (const target of targets) this.#follow(target);
    return this.#isWhole ? this.#seen : null;
  }

  #follow(target: string): void {
    this.#entryAt('/');
    const left = componentsOf(target).reverse();
    let links = MOST_LINKS;
    let folder = '/';
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      // of the root that is the root
      const path = join(folder, name);
      const { link } = this.#entryAt(path);
      if (link === null) {
        folder = path;
        continue;
      }
      // the kernel doesn't follow more either
      if (links-- === 0) return;
      if (link.startsWith('/')) folder = '/';
      left.push(...componentsOf(link).reverse());
    }
  }

  #entryAt(path: string): Entry {
    const known = this.#entries.get(path);
    if (known !== undefined) return known;
    this.#isWhole &&= this.#entries.size < MOST_PATHS;
    const entry = this.#isWhole ? this.#look(path) : NOTHING;
    this.#entries.set(path, entry);
    return entry;
  }

  #look(path: string): Entry {
    const mount = this.#recipe.mounts.findLast(({ target }) => target === path);
    // where that is of the host is the host's to say, and a link there leads to what is mounted
    if (mount !== undefined) return this.#merged(mount.lower, { follows: true });
    const cover = this.#coverAt(path);
    if (cover?.kind === 'link') return { ...NOTHING, link: cover.target };
    if (cover !== undefined && hides(cover)) return NOTHING;
    const name = path.slice(path.lastIndexOf('/') + 1);
    return this.#merged(this.#entryAt(dirname(path)).folders.map((folder) => join(folder, name)));
  }

  /** What covers that path in the mount that it is in. */
  #coverAt(path: string): CoverEntry | undefined {
    const mount = this.#recipe.mounts.findLast(({ target }) => path.startsWith(folderOf(target)));
    const relative = path.slice(folderOf(mount?.target ?? '/').length);
    return mount?.cover.find((entry) => entry.path === relative);
  }

  /** What the overlay makes of the same entry of its layers, the topmost first: what is no folder hides what is below it. */
  #merged(paths: readonly string[], { follows } = { follows: false }): Entry {
    const stat = follows ? statSync : lstatSync;
    const folders: string[] = [];
    for (const path of paths) {
      const status = this.#orUnseen(() => stat(path, { throwIfNoEntry: false, bigint: true }));
      this.#seen.push({ path, follows, status, by: 'change' });
      if (status === undefined) continue;
      if (!status.isDirectory()) {
        const link = status.isSymbolicLink() && folders.length === 0 ? this.#orUnseen(() => readlinkSync(path)) : undefined;
        return { folders, link: link ?? null };
      }
      folders.push(path);
    }
    return { folders, link: null };
  }

  /** `undefined`: it can't be looked at, as below a folder that is closed to this user. */
  #orUnseen<T>(look: () => T): T | undefined {
    try {
      return look();
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      this.#isWhole = false;
      return undefined;
    }
  }
}

/** Nothing of the layers below is seen there. */
const hides = (entry: CoverEntry): boolean => entry.kind !== 'folder' || entry.opaque;

const folderOf = (target: OverlayRecipe['target']): string => (target === '/' ? '/' : `${target}/`);

const componentsOf = (path: string): string[] => path.split('/').filter((name) => name !== '' && name !== '.');
