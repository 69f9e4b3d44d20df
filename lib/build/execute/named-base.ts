import { imageOf } from '../../container/start/named-image.js';
import { parseReference } from '../../image/formats/reference.js';
import type { Image } from '../../image/image.js';
import type { ProgressListener } from '../../options/progress.js';
import { InstructionProblem } from '../language/build-error.js';
import type { ParsedBuild } from './build-options.js';

/**
 * The image that FROM or `--from` names: one of the store's or a registry's. A Dockerfile may not reach for files of this machine: the caller gave
 * it none but the context's.
 *
 * @throws InstructionProblem for a reference of another kind; as `Image.open` and `Image.pull`
 */
export async function namedImage(
  name: string,
  { pull, cancelSignal }: Pick<ParsedBuild, 'pull' | 'cancelSignal'>,
  onPull: ProgressListener,
): Promise<Image> {
  const { kind } = parseReference(name, 'FROM');
  if (kind !== 'registry' && kind !== 'digest')
    throw new InstructionProblem(`${JSON.stringify(name)} is no name of an image: a Dockerfile can't name files of this machine`);
  return imageOf(name, pull, { onProgress: onPull, process: { cancelSignal: cancelSignal ?? null } });
}
