import { createHash } from 'node:crypto';
import type { Address } from '../address.js';

// What follows from an address, so that nobody must look it up. Pure.

/** The name of the bridge port to the container with this address; 12 bytes. */
export function hostEndName(address: Address): string {
  return `nclv${shortOf(address)}`;
}

/** The container's MAC address: the one who gets an address after another has the same one, which neighbours may still remember. */
export function macOf(address: Address): Uint8Array {
  // 02: given locally, to one link
  return Buffer.from(`026e${shortOf(address)}`, 'hex');
}

/** IPv4's address, or 4 bytes that are as good as one of IPv6's own. */
function shortOf({ family, bytes }: Address): string {
  const short = family === 4 ? Buffer.from(bytes) : createHash('sha256').update(bytes).digest().subarray(0, 4);
  return short.toString('hex');
}
