import { type Platform, platformName } from '../../image/formats/platform.js';
import { Image } from '../../image/image.js';
import type { ProgressEvent } from '../../options/progress.js';
import type { Hold } from '../../store/lease.js';
import type { ParsedBuild } from './build-options.js';
import type { BuildProgress } from './build-progress.js';
import { type Contexts, imageNamedIn } from './contexts.js';
import { namedImage } from './named-base.js';

/** The images that names of a build mean: each is asked for once for a platform, so that all stages have the same. */
export class NamedImages {
  readonly #known = new Map<string, Promise<Image>>();
  readonly #holds: Hold[] = [];
  readonly #contexts: Contexts['named'];
  readonly #options: ParsedBuild;
  readonly #progress: BuildProgress;

  constructor(contexts: Contexts['named'], { options, progress }: { readonly options: ParsedBuild; readonly progress: BuildProgress }) {
    this.#contexts = contexts;
    this.#options = options;
    this.#progress = progress;
  }

  /** The image of a name for a platform; `null`: for whatever it is. @throws as `namedImage` */
  readonly named = (name: string, platform: Platform | null): Promise<Image> => {
    const key = `${platform ? platformName(platform) : ''} ${name}`;
    const found = this.#known.get(key) ?? this.#find(name, platform);
    this.#known.set(key, found);
    return found;
  };

  /** Lets go of images without a name. */
  close(): void {
    for (const { release } of this.#holds.splice(0)) release();
  }

  async #find(name: string, platform: Platform | null): Promise<Image> {
    const given = imageNamedIn(this.#contexts, name) ?? { imageName: name };
    if ('layout' in given) return Image.open(given.layout, platform ? { platform: platformName(platform) } : {});
    if (!('imageName' in given)) return platform ? given.forPlatform(platform) : given;
    const { imageName } = given;
    const { pull, cancelSignal } = this.#options;
    const onPull = (layer: ProgressEvent): void => this.#progress.mention({ type: 'pull', reference: imageName, layer });
    return namedImage(imageName, { pull, cancelSignal, platform, onPull, holds: this.#holds });
  }
}
