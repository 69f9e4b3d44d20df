import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { attempt } from '../../native/system-errors.js';
import { lastAddressIn } from '../network-files.js';
import { networkFolder } from './network-folder.js';

/** Of 2^128. */
const MOST_DIGITS = 39;

/**
 * The number of the address that was given last in a network, by whichever process: the next one comes after it. The file stays open while this process keeps
 * the bridge, and so the folder with the file.
 */
export class LastNumber {
  readonly #path: string;
  readonly #fd: number;
  readonly #bytes = Buffer.alloc(MOST_DIGITS);
  #isClosed = false;

  /** @throws SyscallError */
  constructor(name: string) {
    this.#path = lastAddressIn(networkFolder(name));
    this.#fd = attempt(`open ${this.#path}`, () => openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600));
  }

  /** A hint, so one that is damaged is none. @throws SyscallError */
  read(): bigint | null {
    // the shim has died, and with it the bridge: what is begun now fails later
    if (this.#isClosed) return null;
    const size = attempt(`read ${this.#path}`, () => readSync(this.#fd, this.#bytes, 0, MOST_DIGITS, 0));
    const text = this.#bytes.toString('latin1', 0, size).trimEnd();
    return /^\d+$/.test(text) ? BigInt(text) : null;
  }

  /** Of a fixed size, over what was there: a file system may write out at once what a file has after it was cut, which takes milliseconds. @throws SyscallError */
  remember(number: bigint): void {
    if (this.#isClosed) return;
    attempt(`write ${this.#path}`, () => writeSync(this.#fd, String(number).padEnd(MOST_DIGITS), 0));
  }

  /** Once or more often. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#fd);
  }
}
