import { join } from 'node:path';
import { type Privilege, privilege } from '../../host/privilege.js';
import { digestOf, parseDigest } from '../formats/digest.js';
import { blobName } from '../formats/oci-layout.js';

/** @throws ImageError when it is no digest */
export function blobPath(root: string, digest: string): string {
  return join(root, blobName(digest));
}

/** All that is there of an unpacked layer. @throws ImageError when it is no digest */
export function layerPath(root: string, chainId: string): string {
  const { algorithm, hex } = parseDigest(chainId);
  return join(root, 'layers', algorithm, hex);
}

/** What the folders of layers begin with that have the owners of one map. */
export const MAP_NAME = 'map-';

/**
 * The name of a map of ids, which an ordinary user's layers are unpacked for: `null` for root. Owners are in files as ids of the host, so with
 * another map the same files would belong to others inside. A user's map changes with /etc/subuid, and with whether newuidmap is installed.
 */
export function mapName(own: Privilege = privilege()): string | null {
  if (own.kind === 'root') return null;
  const { hex } = parseDigest(digestOf(JSON.stringify([own.uid, own.gid])));
  return `${MAP_NAME}${hex.slice(0, 32)}`;
}

/** The unpacked layer with the owners that this process's containers see. */
export function ownLayerPath(root: string, chainId: string): string {
  const name = mapName();
  return name === null ? layerPath(root, chainId) : join(layerPath(root, chainId), name);
}
