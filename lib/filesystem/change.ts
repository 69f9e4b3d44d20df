import { NacelleError } from '../errors.js';

/** One difference between an overlay and its lower folders. */
export interface Change {
  readonly kind: 'added' | 'modified' | 'deleted';
  /** Absolute, inside the overlay. Bytes that are not UTF-8 are shown as U+FFFD, as Node's own file functions do. */
  readonly path: string;
  /** What is at the path now, or was there before it was deleted. `other`: a device, FIFO or socket. */
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
}

const HEAD = 8;
const END = 'E';
const kinds: Readonly<Record<string, Change['kind']>> = { A: 'added', M: 'modified', D: 'deleted' };
const types: Readonly<Record<string, Change['type']>> = { f: 'file', d: 'directory', l: 'symlink', o: 'other' };

/** Reads the records of addon/shim/layer/changes.h, in whatever pieces they come. */
export class ChangeParser {
  #rest: Buffer = Buffer.alloc(0);
  #complete = false;

  /**
   * Gives the records that are complete with this piece.
   *
   * @throws NacelleError `ERR_PROTOCOL` for what is no record
   */
  *push(piece: Uint8Array): Generator<Change> {
    this.#rest = Buffer.concat([this.#rest, piece]);
    while (this.#rest.length >= HEAD) {
      const length = this.#rest.readUInt32LE(4);
      if (this.#complete) throw broken('something follows its end');
      if (this.#rest.length < HEAD + length) return;
      const [kind, type] = this.#rest.toString('latin1', 0, 2);
      const path = this.#rest.toString('utf8', HEAD, HEAD + length);
      this.#rest = this.#rest.subarray(HEAD + length);
      if (kind === END) this.#complete = true;
      else yield toChange(kind, type, path);
    }
  }

  /** @throws NacelleError `ERR_PROTOCOL` when the end mark has not come */
  end(): void {
    if (!this.#complete || this.#rest.length > 0) throw broken('it ends in the middle');
  }
}

function toChange(kindLetter = '', typeLetter = '', path: string): Change {
  const kind = kinds[kindLetter];
  const type = types[typeLetter];
  if (!kind || !type) throw broken(`there is no kind '${kindLetter}' of type '${typeLetter}'`);
  return { kind, path, type };
}

function broken(problem: string): NacelleError {
  return new NacelleError(`list the changes: the list is broken, ${problem}`, { code: 'ERR_PROTOCOL' });
}
