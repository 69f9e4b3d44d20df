import { isDeepStrictEqual } from 'node:util';
import { mounter, privilege } from '../../host/privilege.js';
import type { Image } from '../../image/image.js';
import type { RootRecipe } from '../../plan/recipe.js';
import { mountpointsOf } from '../plan/mount-table.js';
import type { Prepared } from '../start/prepare.js';
import { LookedUp } from './looked-up.js';

/** How references to a folder as an image begin. */
export const FOLDER = 'dir:';

/** A root of files that others may change, as it was before containers were begun on it. */
export class ShownRoot {
  readonly #image: Image;
  #recipe: RootRecipe;
  readonly #lookedUp: LookedUp;

  private constructor(image: Image, recipe: RootRecipe, targets: readonly string[]) {
    this.#image = image;
    this.#recipe = recipe;
    this.#lookedUp = new LookedUp(recipe, targets);
  }

  /** `null`: a folder that is mounted as it is, or an image of the store, whose files nobody changes. */
  static of({ image, root, table, options, volumes }: Prepared): ShownRoot | null {
    if (root.type !== 'recipe' || image === null || !isChangeable(image.reference ?? '')) return null;
    const { recipe } = root;
    const asked = [...options.mounts, ...recipe.mounts, ...recipe.binds].map(({ target }) => target);
    return new ShownRoot(image, recipe, [...mountpointsOf(table), ...asked, ...volumes]);
  }

  /** Whether each change can be noticed. */
  get isWatched(): boolean {
    return this.#lookedUp.isWhole;
  }

  async isCurrent(): Promise<boolean> {
    if (!this.#lookedUp.isCurrent()) return false;
    if (this.#image.reference !== 'host') return true;
    const { recipe, release } = await this.#image.use({ mounter: mounter(privilege()) });
    release();
    if (recipe !== this.#recipe && !isDeepStrictEqual(recipe, this.#recipe)) return false;
    this.#recipe = recipe;
    return true;
  }
}

function isChangeable(reference: string): boolean {
  return reference === 'host' || reference.startsWith(FOLDER);
}
