import { NacelleError } from '../errors.js';
import { type Cidr, hostOf, isLinkLocal } from './address.js';
import type { LinkAddress } from './link.js';

/**
 * Refuses addresses that another link of the namespace has already: it would be chance to which of the two a packet goes. Link-local
 * addresses are not refused, for each link has its own.
 *
 * @param own index of the link that is to have the addresses, once it is there
 * @throws NacelleError `EADDRINUSE`
 */
export function requireFree(wanted: readonly Cidr[], there: readonly LinkAddress[], { where, own }: { where: string; own?: number }): void {
  for (const address of wanted.filter((one) => !isLinkLocal(one))) {
    // both are written in the shortest form
    const taken = there.find((other) => other.index !== own && hostOf(other.address) === hostOf(address.text));
    if (!taken) continue;
    throw new NacelleError(`add the address ${address.text}: link ${taken.index} in ${where} has ${taken.address} already`, {
      code: 'EADDRINUSE',
    });
  }
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Does the work of several callers one after the other: who looked whether an address is free must have added it before the next one looks.
 */
export function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const done = last.then(work);
  last = done.catch(() => undefined);
  return done;
}
