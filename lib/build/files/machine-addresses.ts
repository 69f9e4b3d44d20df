import ipaddr from 'ipaddr.js';

/** Where clouds tell a machine its secrets, beside link-local addresses: AWS, Google, Azure, Alibaba and Oracle. */
const METADATA = new Set(['fd00:ec2::254', 'fd20:ce::254', '168.63.129.16', '100.100.100.200', '192.0.0.192']);

/** Whether an address means something on one machine or its links alone: loopbacks, and what clouds tell a machine its secrets by. */
export function isOfThisMachineAlone(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (METADATA.has(parsed.toString())) return true;
  if (['loopback', 'linkLocal', 'unspecified'].includes(parsed.range())) return true;
  if (parsed.kind() === 'ipv4') return false;
  // of a network's own translator, which has the IPv4 address where that network has chosen (RFC 8215)
  if (parsed.match(ipaddr.parseCIDR('64:ff9b:1::/48'))) return true;
  const inside = ipv4Inside(parsed.toByteArray());
  return inside !== null && isOfThisMachineAlone(inside);
}

/** The IPv4 address that a translator or a tunnel would reach by an IPv6 address: 64:ff9b::/96 (RFC 6052), 2002::/16 (RFC 3056), ::/96 (RFC 4291). */
function ipv4Inside(bytes: readonly number[]): string | null {
  if (bytes[0] === 0x20 && bytes[1] === 0x02) return bytes.slice(2, 6).join('.');
  const prefix = Buffer.from(bytes.slice(0, 12)).toString('hex');
  return prefix === '0064ff9b0000000000000000' || /^0+$/.test(prefix) ? bytes.slice(12).join('.') : null;
}
