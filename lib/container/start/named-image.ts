import { hasCode } from '../../errors.js';
import { parseReference } from '../../image/formats/reference.js';
import { Image } from '../../image/image.js';
import type { ParsedOptions, PullPolicy } from '../options/container-options.js';

/** The image, which is pulled as docker's `--pull` would do it when its name is a registry's. */
export async function imageOf(
  reference: string,
  policy: PullPolicy,
  {
    onProgress,
    process: { cancelSignal },
  }: Pick<ParsedOptions, 'onProgress'> & { readonly process: Pick<ParsedOptions['process'], 'cancelSignal'> },
): Promise<Image> {
  const pull = () => Image.pull(reference, { ...(onProgress ? { onProgress } : {}), ...(cancelSignal ? { cancelSignal } : {}) });
  const isNamed = parseReference(reference).kind === 'registry';
  if (isNamed && policy === 'always') return pull();
  try {
    return await Image.open(reference);
  } catch (error) {
    const canBePulled = isNamed && policy === 'missing' && hasCode(error, 'ERR_NO_IMAGE');
    if (!canBePulled) throw error;
    return pull();
  }
}
