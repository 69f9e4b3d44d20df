import { ImageError } from '../errors.js';
import { asImageErrors } from './as-image-errors.js';
import { type Descriptor, tagOf } from './formats/image-documents.js';
import type { ImageSource } from './formats/image-source.js';
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

/** Removes the name of an image, where the image still has it, or all of its names where `reference` is `null`. @throws as `removeFromStore` */
export async function removeNamesOf({ descriptor, index }: ImageSource, reference: string | null): Promise<void> {
  const { digest } = index?.descriptor ?? descriptor;
  await removeFromStore(
    reference ?? digest,
    (entry) => entry.digest === digest && (reference === null || [null, reference].includes(tagOf(entry))),
  );
}
