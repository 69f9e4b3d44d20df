import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../errors.js';
import { storeRoot } from '../../host/store-path.js';
import { type Hold, hold } from '../../store/lease.js';
import { withLock } from '../../store/store-lock.js';
import { writeWhole } from '../../store/whole-file.js';
import { type Descriptor, LAYOUT_FILE, MEDIA, parseIndex, tagOf, withName } from '../formats/image-documents.js';

/** The entries of the store's index.json: manifests, each with a full reference or without one. */
export async function readEntries(root = storeRoot()): Promise<Descriptor[]> {
  const path = join(root, 'index.json');
  const bytes = await readFile(path).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  });
  return bytes === null ? [] : parseIndex(bytes, path).manifests;
}

/**
 * Writes the index as a whole: with one rename the old one becomes the new one, also after a crash. The caller must have the lock
 * exclusively.
 *
 * @param held taken before the lock, for taking a lease waits for the lock
 */
export async function writeEntries(entries: readonly Descriptor[], root: string, held: Hold): Promise<void> {
  const index = { schemaVersion: 2, mediaType: MEDIA.index, manifests: entries };
  await writeWhole(join(root, 'oci-layout'), LAYOUT_FILE, held);
  await writeWhole(join(root, 'index.json'), JSON.stringify(index), held);
}

/**
 * Gives a manifest of the store a reference, or none (`null`) where it has no entry yet. A manifest that had the reference before stays,
 * without one. The caller must hold the manifest before, with all that belongs to it.
 */
export async function setReference(reference: string | null, manifest: Descriptor, root = storeRoot()): Promise<void> {
  await changeEntries(root, (entries) => {
    const kept = reference === null ? entries : without(entries, (entry) => tagOf(entry) === reference);
    const others = kept.filter((entry) => entry.digest !== manifest.digest || tagOf(entry) !== null);
    if (reference === null && others.some(({ digest }) => digest === manifest.digest)) return entries;
    return [...others, withName(manifest, { tag: reference })];
  });
}

/** Removes entries; what they named is left to the next prune. */
export async function removeEntries(matches: (entry: Descriptor) => boolean, root = storeRoot()): Promise<void> {
  await changeEntries(root, (entries) => (entries.some(matches) ? entries.filter((entry) => !matches(entry)) : entries));
}

/** Reads and writes the index while nobody else does. @param change returns the same array where there is nothing to write */
async function changeEntries(root: string, change: (entries: readonly Descriptor[]) => readonly Descriptor[]): Promise<void> {
  const held = await hold([], root);
  try {
    await withLock(root, 'exclusive', async () => {
      const entries = await readEntries(root);
      const changed = change(entries);
      if (changed !== entries) await writeEntries(changed, root, held);
    });
  } finally {
    held.release();
  }
}

/** The entries after some have lost their reference: these stay, once for each manifest. */
function without(entries: readonly Descriptor[], matches: (entry: Descriptor) => boolean): Descriptor[] {
  const named = entries.filter((entry) => !matches(entry));
  const lost = entries.filter((entry) => matches(entry) && !named.some(({ digest }) => digest === entry.digest));
  return [...named, ...lost.map((entry) => withName(entry, { tag: null }))];
}
