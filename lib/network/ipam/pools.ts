import { type Cidr, describe, withPrefix } from '../address.js';
import { overlaps } from './subnet.js';

/** Where networks without a subnet of the caller's get theirs: podman's pools, which clash least with docker's. Each network gets a /24. */
const POOLS = [
  { first: [10, 89], blocks: 256 },
  { first: [10, 90], blocks: 512 },
  { first: [10, 92], blocks: 1024 },
  { first: [10, 96], blocks: 8192 },
  { first: [10, 128], blocks: 32_768 },
] as const;

/** The first subnet of the pools that overlaps none of those; `null` when all do. Pure. */
export function freeSubnet(taken: readonly Cidr[]): Cidr | null {
  for (const { first, blocks } of POOLS) {
    for (let block = 0; block < blocks; block++) {
      const subnet = withPrefix(describe(Uint8Array.of(first[0], first[1] + (block >> 8), block & 0xff, 0)), 24);
      if (!taken.some((other) => overlaps(subnet, other))) return subnet;
    }
  }
  return null;
}

/** A /64 of unique local addresses (RFC 4193). @param random 5 bytes, the global id */
export function localSubnet(random: Uint8Array): Cidr {
  const bytes = new Uint8Array(16);
  bytes.set([0xfd, ...random.subarray(0, 5)]);
  return withPrefix(describe(bytes), 64);
}
