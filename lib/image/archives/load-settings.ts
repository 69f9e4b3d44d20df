import type { ParsedLimits } from '../formats/unpack-limits.js';
import type { AddImageOptions } from '../layers/add-image.js';

export interface LoadSettings extends AddImageOptions {
  /** Of each layer, and of an archive that is compressed, or comes as a stream, as a whole. */
  readonly limits: ParsedLimits;
  /** The name in the store of the one image that there is; `null`: none. Default: those that are there. */
  readonly reference?: string | null;
}
