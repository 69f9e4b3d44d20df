import ipaddr from 'ipaddr.js';

/** Whether an address means something on one machine or its links alone: loopbacks, and what clouds tell a machine its secrets by. */
export function isOfThisMachineAlone(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (['loopback', 'linkLocal', 'unspecified'].includes(parsed.range())) return true;
  const inside = parsed.kind() === 'ipv6' ? ipv4Inside(parsed.toByteArray()) : null;
  return inside !== null && isOfThisMachineAlone(inside);
}

/** The IPv4 address that a translator or a tunnel would reach by an IPv6 address: 64:ff9b::/96 (RFC 6052), 2002::/16 (RFC 3056), ::/96 (RFC 4291). */
function ipv4Inside(bytes: readonly number[]): string | null {
  if (bytes[0] === 0x20 && bytes[1] === 0x02) return bytes.slice(2, 6).join('.');
  const prefix = Buffer.from(bytes.slice(0, 12)).toString('hex');
  return prefix === '0064ff9b0000000000000000' || /^0+$/.test(prefix) ? bytes.slice(12).join('.') : null;
}
