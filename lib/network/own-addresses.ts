import { readIfThere } from '../native/read-if-there.js';
import { type Address, describe, parseAddress } from './address.js';

// The addresses of this process's network namespace, of any link, whether that is up or not: os.networkInterfaces() leaves out links that are down
// or have no carrier at the moment.

/** @throws SyscallError */
export function ownAddresses(): Address[] {
  // without IPv6 there is no such file
  const [four, six] = [readIfThere('/proc/self/net/fib_trie'), readIfThere('/proc/self/net/if_inet6')];
  return [...parseLocal(four ?? ''), ...parseIfInet6(six ?? '')];
}

/** @throws SyscallError */
export function isOwnAddress({ text }: Address): boolean {
  return ownAddresses().some((own) => own.text === text);
}

/**
 * The addresses of IPv4 that are local, out of the routes as the kernel keeps them (Documentation/networking/fib_trie.rst), in which a leaf has
 * what is known of it below it. Pure.
 *
 *   |-- 192.0.2.1
 *      /32 host LOCAL
 */
export function parseLocal(text: string): Address[] {
  const found = [...text.matchAll(/\|-- ([\d.]+)\n(?: +\/\d+ .*\n)*? +\/32 host LOCAL/g)].map(([, address = '']) => address);
  return [...new Set(found)].map(parseAddress).filter((address) => typeof address !== 'string');
}

/** The addresses of IPv6: lines that begin with 32 hexadecimal digits, proc_pid_net(5). Pure. */
export function parseIfInet6(text: string): Address[] {
  const found = [...text.matchAll(/^[0-9a-f]{32}(?= )/gm)].map(([digits]) => Uint8Array.from(Buffer.from(digits, 'hex')));
  return found.map(describe);
}
