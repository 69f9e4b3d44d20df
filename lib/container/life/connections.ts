import type { Socket } from 'node:net';
import { NacelleError } from '../../errors.js';

/** The streams into a container's network. Each keeps the network namespace, so they end with the container's removal at the latest. */
export class Connections {
  readonly #open = new Set<Socket>();
  #isClosed = false;

  add(stream: Socket): void {
    this.#open.add(stream);
    stream.once('close', () => this.#open.delete(stream));
    if (this.#isClosed) end(stream);
  }

  /** Ends all of them, and those that are added later. */
  close(): void {
    this.#isClosed = true;
    for (const stream of this.#open) end(stream);
  }
}

/** Whoever still waits for the connection hears why there is none; for whoever has the stream it is over without an error. */
function end(stream: Socket): void {
  stream.destroy(stream.connecting ? new NacelleError('the container was removed', { code: 'ERR_CLOSED' }) : undefined);
}
