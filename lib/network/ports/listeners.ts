import { type Address, describe } from '../address.js';
import { isWildcard } from './port-mapping.js';

// What /proc/net/tcp, tcp6, udp and udp6 tell of who has a port (proc_pid_net(5)). Pure.

const TCP_LISTEN = '0A';

/** Bytes of words in this machine's order, as the kernel prints them in hexadecimal. */
function addressFrom(hex: string): Address {
  const words = Buffer.from(hex, 'hex');
  for (let at = 0; at < words.length; at += 4) words.subarray(at, at + 4).reverse();
  return describe(Uint8Array.from(words));
}

/** The numbers of the sockets' inodes that keep a port of an address from others: those that listen there, or at all addresses. */
export function socketsAt(
  table: string,
  { port, address, protocol }: { port: number; address: Address; protocol: 'tcp' | 'udp' },
): number[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, , local = '', , state, , , , , , inode = ''] = ` ${line}`.split(/\s+/);
      const [, hex, number] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(local) ?? [];
      if (hex === undefined || number === undefined || Number.parseInt(number, 16) !== port) return [];
      if (protocol === 'tcp' && state !== TCP_LISTEN) return [];
      const bound = addressFrom(hex);
      const meets =
        bound.family === address.family
          ? bound.text === address.text || isWildcard(bound) || isWildcard(address)
          : // a socket of IPv6 at all addresses has those of IPv4 too, unless it was told not to
            isWildcard(bound) || bound.text.startsWith('::ffff:');
      return meets ? [Number(inode)] : [];
    });
}
