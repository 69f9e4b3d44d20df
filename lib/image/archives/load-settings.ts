import type { ParsedLimits } from '../formats/unpack-limits.js';
import type { AddImageOptions } from '../layers/add-image.js';

export interface LoadSettings extends AddImageOptions {
  /** Limits of each layer, and of a whole archive that is compressed, or comes as a stream. */
  readonly limits: ParsedLimits;
  /** The name that the only image gets in the store; `null`: it gets none. Default: the names that the source has. */
  readonly reference?: string | null;
}
