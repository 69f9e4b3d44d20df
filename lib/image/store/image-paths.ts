import { join } from 'node:path';
import { parseDigest } from '../formats/digest.js';
import { blobName } from '../formats/oci-layout.js';

/** @throws ImageError when it is no digest */
export function blobPath(root: string, digest: string): string {
  return join(root, blobName(digest));
}

/** @throws ImageError when it is no digest */
export function layerPath(root: string, chainId: string): string {
  const { algorithm, hex } = parseDigest(chainId);
  return join(root, 'layers', algorithm, hex);
}
