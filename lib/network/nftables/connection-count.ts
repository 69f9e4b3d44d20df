import { closeSync, openSync, readSync } from 'node:fs';
import { privilege } from '../../host/privilege.js';

const FILE = '/proc/sys/net/netfilter/nf_conntrack_count';

/** How many connections the kernel keeps in the network namespace of this process. Each container on a network asks, so the file stays open. */
export class ConnectionCount {
  #fd: number | null = null;
  readonly #bytes = Buffer.alloc(16);
  #isClosed = false;

  /** Whether the kernel knows that the network namespace with the bridges has none at all. */
  isNone(): boolean {
    // the kernel shows the number to those alone who are in the namespace
    if (this.#isClosed || privilege().kind === 'user') return false;
    try {
      this.#fd ??= openSync(FILE, 'r');
      return this.#bytes.toString('latin1', 0, readSync(this.#fd, this.#bytes, 0, this.#bytes.length, 0)).trim() === '0';
    } catch {
      // what nobody counts may be there
      this.#letGo();
      return false;
    }
  }

  /** Closes the file. Idempotent; after this, {@link isNone} is false. */
  close(): void {
    this.#isClosed = true;
    this.#letGo();
  }

  #letGo(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}
