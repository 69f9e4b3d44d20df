import { ImageError } from '../errors.js';
import { asImageErrors } from './as-image-errors.js';
import type { Descriptor } from './formats/image-documents.js';
import { removeEntries } from './store/index-file.js';
import { prune } from './store/prune.js';

/** Removes names of the store, and then what nothing else needs. @throws ImageError, which tells `what` */
export async function removeFromStore(what: string, matches: (entry: Descriptor) => boolean): Promise<void> {
  await asImageErrors(`remove ${what}`, async () => {
    await removeEntries(matches);
    await prune({ afterRemoval: true }).catch((error: unknown) => {
      // another image is damaged: what it needs can't be known, and all stays until it is removed too
      if (!(error instanceof ImageError)) throw error;
    });
  });
}
