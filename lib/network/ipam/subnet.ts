import { type Address, type Cidr, describe, withPrefix } from '../address.js';

// An address of a subnet as a number: 0 is the subnet's own, 1 the first that a link can have. Pure.

/** The bytes as one number, the first byte weighing most. */
function integerOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function bytesOf(value: bigint, length: number): Uint8Array {
  return Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex');
}

/** How many bits of an address the subnet leaves to its links. */
export function hostBits({ bytes, prefix }: Cidr): number {
  return 8 * bytes.length - prefix;
}

/** The subnet that an address with a prefix lies in: 10.0.0.7/24 is in 10.0.0.0/24. */
export function subnetOf(cidr: Cidr): Cidr {
  return withPrefix(addressAt(cidr, 0n), cidr.prefix);
}

export function addressAt(subnet: Cidr, number: bigint): Address {
  return describe(bytesOf(beginOf(subnet) + number, subnet.bytes.length));
}

/** The subnet's own address as a number. */
function beginOf(cidr: Cidr): bigint {
  const bits = BigInt(hostBits(cidr));
  return (integerOf(cidr.bytes) >> bits) << bits;
}

/** Which address of the subnet this is; `null` for one outside. */
export function numberIn(subnet: Cidr, address: Address): bigint | null {
  if (address.family !== subnet.family) return null;
  const number = integerOf(address.bytes) - beginOf(subnet);
  return number >= 0n && number < 1n << BigInt(hostBits(subnet)) ? number : null;
}

/** The last address that a link can have: the one after it is IPv4's broadcast address. */
export function lastNumber(subnet: Cidr): bigint {
  return (1n << BigInt(hostBits(subnet))) - (subnet.family === 4 ? 2n : 1n);
}

export function overlaps(one: Cidr, other: Cidr): boolean {
  if (one.family !== other.family) return false;
  const bits = BigInt(Math.max(hostBits(one), hostBits(other)));
  return integerOf(one.bytes) >> bits === integerOf(other.bytes) >> bits;
}

/** An address with the prefix of its subnet, as a link gets it. */
export function inSubnet(subnet: Cidr, number: bigint): Cidr {
  return withPrefix(addressAt(subnet, number), subnet.prefix);
}
