import { Socket } from 'node:net';
import { NacelleError } from '../errors.js';

/** What a stream calls when a write is over. */
export type Done = (error?: Error | null) => void;

/** An end of a pipe, or a socket. Node tells a write that `destroy` has cut short as done; here it fails. */
export class PipeStream extends Socket {
  override _write(chunk: unknown, encoding: BufferEncoding, done: Done): void {
    super._write(chunk, encoding, this.#told(done));
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], done: Done): void {
    if (super._writev === undefined) throw new TypeError("the sockets of this Node can't write several chunks at once");
    super._writev(chunks, this.#told(done));
  }

  #told(done: Done): Done {
    return (error) => done(error ?? (this.destroyed ? new NacelleError('write to a stream: it was closed', { code: 'ERR_CLOSED' }) : null));
  }
}
