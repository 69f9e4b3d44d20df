import { createHash } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import { hasCode } from '../../errors.js';
import { storeRoot } from '../../host/store-path.js';
import { withLock } from '../../store/store-lock.js';
import { parseDigest } from '../formats/digest.js';
import type { Descriptor } from '../formats/image-documents.js';
import { hashFile, isSameFile } from './blobs.js';
import { blobPath } from './image-paths.js';

/**
 * Whether a blob is there, all of its bytes being what its digest says. One that is damaged is removed, so that the same blob can come anew. The
 * caller must hold the digest before.
 */
export async function isIntact({ digest, size }: Pick<Descriptor, 'digest' | 'size'>, root = storeRoot()): Promise<boolean> {
  const { algorithm, hex } = parseDigest(digest);
  const path = blobPath(root, digest);
  const file = await open(path, 'r').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  });
  if (file === null) return false;
  try {
    const hash = createHash(algorithm);
    const there = (await file.stat()).size;
    await hashFile(file, there, hash);
    if (hash.digest('hex') === hex) return there === size;
    await withLock(root, 'exclusive', async () => {
      // another process may have removed it, and brought the right one
      if (await isSameFile(file, path)) await unlink(path);
    });
    return false;
  } finally {
    await file.close();
  }
}
