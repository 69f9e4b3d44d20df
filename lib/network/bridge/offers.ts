import { existsSync, linkSync, lstatSync, unlinkSync, writeFileSync } from 'node:fs';
import { hasCode } from '../../errors.js';
import { readIfThere } from '../../native/read-if-there.js';
import { attempt } from '../../native/system-errors.js';
import { keeperFile, keeperOf, offerPath, offersOf, useOf } from './network-folder.js';

/** An address that this process has chosen. */
export interface Offer {
  /** Of its file. */
  readonly path: string;
  /** Takes it back, where no lease was made of it. Once or more often. @throws SyscallError */
  remove(): void;
}

/**
 * The addresses of a network that this process has chosen for containers, and that no shim has taken yet. An offer is a link to a file which says who keeps the
 * bridge: so it is made by one system call, whole or not at all, whenever this process dies, and only one can make it.
 */
export class Offers {
  readonly #name: string;
  /** What all are links to. */
  readonly #file: string;
  readonly #inode: number;
  /** By their paths: after a lease has come and gone, the address may be offered to another. */
  readonly #made = new Map<string, Offer>();

  /** @param keeper the use by which this process keeps the bridge. @throws SyscallError */
  constructor(name: string, keeper: string) {
    this.#name = name;
    this.#file = keeperFile(name, keeper);
    this.#inode = attempt(`write ${this.#file}`, () => {
      writeFileSync(this.#file, JSON.stringify({ keeper }), { mode: 0o600 });
      return lstatSync(this.#file).ino;
    });
  }

  /** @returns `null` where there is an offer of the address already. @throws SyscallError */
  make(address: string): Offer | null {
    const path = offerPath(this.#name, address);
    return attempt(`write ${path}`, () => {
      try {
        linkSync(this.#file, path);
        const offer = { path, remove: () => this.#remove(offer) };
        this.#made.set(path, offer);
        return offer;
      } catch (error) {
        if (hasCode(error, 'EEXIST')) return null;
        throw error;
      }
    });
  }

  #remove(offer: Offer): void {
    const { path } = offer;
    if (this.#made.get(path) !== offer) return;
    attempt(`remove ${path}`, () => {
      // most have become leases: an error of a missing file takes longer than a look
      if (lstatSync(path, { throwIfNoEntry: false })?.ino === this.#inode) unlinkIfThere(path);
    });
    this.#made.delete(path);
  }

  /** The bridge is kept no more. @throws SyscallError */
  close(): void {
    attempt(`remove ${this.#file}`, () => unlinkIfThere(this.#file));
  }
}

/**
 * Whether an address is a container's, or is about to be: also before the container has its link, and between two of its runs. The offer is looked
 * for first, since the shim removes it when the lease is there.
 */
export function isAddressTaken(name: string, address: string): boolean {
  return existsSync(offerPath(name, address)) || existsSync(useOf(name, address).path);
}

/**
 * Removes offers of processes that keep the bridge no more, with the files that these are links to, and what is no offer. The caller has the lock of the network:
 * nobody else removes one of another's.
 *
 * @returns whether there were any
 */
export function removeVoidOffers(name: string): boolean {
  let isFound = false;
  for (const path of offersOf(name)) {
    const text = readIfThere(path);
    // the offer has become a lease, or was taken back
    if (text === null) continue;
    const keeper = keeperOf(path) ?? /"keeper":"([0-9a-f]+)"\}$/.exec(text)?.[1];
    if (keeper !== undefined && existsSync(useOf(name, keeper).path)) continue;
    attempt(`remove ${path}`, () => unlinkIfThere(path));
    isFound = true;
  }
  return isFound;
}

/** As `rmSync` with `force`, which looks twice before. */
function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
