import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { isWithin } from '../../host/mountinfo.js';
import { attempt } from '../../native/system-errors.js';
import type { RootRecipe } from '../../plan/recipe.js';

/** As many links as the kernel follows in one path. */
const MOST_LINKS = 40;

/**
 * What an overlay has looked up in its layers for the mounts on it. It keeps that: where a folder has another in its place since, or other rights, or
 * where something is there now, the overlay shows what was. What nobody has looked up yet it shows as it is. The time of the newest change is
 * compared too: a folder may have been elsewhere and come back.
 */
export class LookedUp {
  readonly #recipe: RootRecipe;
  readonly #targets: readonly string[];
  readonly #seen: string;

  /** @param targets absolute and tidy, inside */
  constructor(recipe: RootRecipe, targets: readonly string[]) {
    this.#recipe = recipe;
    this.#targets = targets;
    this.#seen = this.#look();
  }

  isCurrent(): boolean {
    return this.#look() === this.#seen;
  }

  /** @throws SyscallError */
  #look(): string {
    const seen = new Map<string, string>();
    for (const target of ['/', ...this.#targets]) this.#walk(target, seen, MOST_LINKS);
    return [...seen.values()].join();
  }

  /** Notes each folder on the way to a path, and what is there. */
  #walk(path: string, seen: Map<string, string>, links: number): void {
    if (path !== '/') this.#walk(dirname(path), seen, links);
    if (seen.has(path)) return;
    const entries = this.#layersAt(path).map((entry) => lookAt(entry));
    seen.set(path, entries.map(({ words }) => words).join(' '));
    for (const { link } of entries) if (link !== null && links > 0) this.#walk(join('/', dirname(path), link), seen, links - 1);
  }

  /** Where that path is in each layer of the mount that has it. */
  #layersAt(path: string): string[] {
    const mount = this.#recipe.mounts.findLast(({ target }) => isWithin(path, target));
    return (mount?.lower ?? []).map((layer) => join(layer, path.slice(mount?.target === '/' ? 0 : mount?.target.length)));
  }
}

interface Entry {
  readonly words: string;
  /** What a link leads to. */
  readonly link: string | null;
}

function lookAt(path: string): Entry {
  const status = attempt(`look at ${path}`, () => lstatSync(path, { throwIfNoEntry: false }));
  if (status === undefined) return { words: '-', link: null };
  const { dev, ino, ctimeMs } = status;
  const link = status.isSymbolicLink() ? attempt(`read the link ${path}`, () => readlinkSync(path)) : null;
  return { words: `${dev}:${ino}:${ctimeMs}${link === null ? '' : `>${link}`}`, link };
}
