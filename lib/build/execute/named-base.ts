import { imageOf } from '../../container/start/named-image.js';
import { hasCode } from '../../errors.js';
import { currentPlatform, type Platform, platformName } from '../../image/formats/platform.js';
import { parseReference } from '../../image/formats/reference.js';
import { Image } from '../../image/image.js';
import type { ProgressListener } from '../../options/progress.js';
import { type Hold, hold } from '../../store/lease.js';
import { InstructionProblem } from '../language/build-error.js';
import type { ParsedBuild } from './build-options.js';

/** How images are got. */
export interface NamedImageOptions extends Pick<ParsedBuild, 'pull' | 'cancelSignal'> {
  /** What the image has to be for; `null`: whatever is in the store. */
  readonly platform: Platform | null;
  readonly onPull: ProgressListener;
  /** Keeps images without a name until the build is over. */
  readonly holds: Hold[];
}

/**
 * The image that FROM or `--from` names: one of the store's or a registry's. A Dockerfile may not reach for files of this machine: the caller gave
 * it none but the context's.
 *
 * @throws InstructionProblem for a reference of another kind; as `Image.open` and `Image.pull`
 */
export async function namedImage(name: string, options: NamedImageOptions): Promise<Image> {
  const { pull, cancelSignal, platform, onPull } = options;
  const { kind } = parseReference(name, 'FROM');
  if (kind !== 'registry' && kind !== 'digest')
    throw new InstructionProblem(`${JSON.stringify(name)} is no name of an image: a Dockerfile can't name files of this machine`);
  if (!platform) return imageOf(name, pull, { onProgress: onPull, process: { cancelSignal: cancelSignal ?? null } });
  if (pull !== 'always' || kind === 'digest') {
    try {
      return await Image.open(name, { platform: platformName(platform) });
    } catch (error) {
      if (pull === 'never' || kind === 'digest' || !hasCode(error, 'ERR_NO_IMAGE')) throw error;
    }
  }
  const settings = { platform: platformName(platform), onProgress: onPull, ...(cancelSignal ? { cancelSignal } : {}) };
  if (isOwn(platform) && (pull === 'always' || !(await isNamed(name)))) return Image.pull(name, settings);
  return held(await Image.pullUnnamed(name, settings), options.holds);
}

/** A name is this machine's platform's, and not one's that its processor can run beside. */
const isOwn = ({ os, architecture }: Platform): boolean => {
  const own = currentPlatform();
  return os === own.os && architecture === own.architecture;
};

/** Whether a name has an image, for whatever platform: a Dockerfile that asks for another one takes no name from the caller's. */
async function isNamed(name: string): Promise<boolean> {
  try {
    await Image.open(name);
    return true;
  } catch (error) {
    if (!hasCode(error, 'ERR_NO_IMAGE')) throw error;
    return false;
  }
}

/** An image that nothing keeps but its use. @throws ImageError when somebody has removed it since it came */
async function held({ digest, layers }: Image, holds: Hold[]): Promise<Image> {
  holds.push(await hold([digest, ...layers.map((layer) => layer.digest)]));
  return Image.ofStored(null, digest);
}
