import { closeSync, existsSync, fstatSync, linkSync, lstatSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
  /** What all are links to. */
  readonly #file: string;
  /** Open, so that no other file gets its inode. `null` once the bridge is kept no more, and nothing is left to be taken back. */
  #descriptor: number | null;
  readonly #inode: number;
  #isClosed = false;
  /** By their paths: after a lease has come and gone, the address may be offered to another. */
  readonly #made = new Map<string, Offer>();

  /** @param keeper the use by which this process keeps the bridge. @throws SyscallError */
  constructor(name: string, keeper: string) {
    this.#file = keeperFile(name, keeper);
    const descriptor = attempt(`write ${this.#file}`, () => openSync(this.#file, 'w', 0o600));
    try {
      attempt(`write ${this.#file}`, () => writeFileSync(descriptor, JSON.stringify({ keeper })));
      this.#inode = fstatSync(descriptor).ino;
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    this.#descriptor = descriptor;
  }

  /** @returns `null` where there is an offer of the address already. @throws SyscallError */
  make(address: string): Offer | null {
    // beside the file: a user's networks may have come to be in another network namespace meanwhile, and so in another folder
    const path = join(dirname(this.#file), address);
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
    this.#letGo();
  }

  /** The bridge is kept no more. @throws SyscallError */
  close(): void {
    this.#isClosed = true;
    this.#letGo();
    attempt(`remove ${this.#file}`, () => unlinkIfThere(this.#file));
  }

  #letGo(): void {
    if (!this.#isClosed || this.#made.size > 0 || this.#descriptor === null) return;
    closeSync(this.#descriptor);
    this.#descriptor = null;
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
