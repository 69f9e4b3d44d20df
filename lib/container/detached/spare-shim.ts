import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { launchContainerShim } from '../../host/container-shim.js';
import { clearTimeout, setTimeout } from '../../native/clock.js';
import type { Connection } from '../../native/connection.js';
import { newId } from '../../plan/id.js';
import { containerFolder } from './container-folders.js';

/** A shim for one detached container, and the id that the container then has: the shim is called by it. */
export interface OwnShim {
  readonly id: string;
  readonly connection: Connection;
}

/** How long no detached container is made before the next one's shim is started, in ms: to start one keeps Node busy for some. */
const IDLE = 50;

/**
 * Keeps one shim started ahead, from the first detached container of a process on. Until the shim has a container it ends with its
 * connection, so with this process, however that ends, and removes its files. It neither keeps Node alive nor is it a container to others,
 * since it has no note.
 */
export class SpareShim {
  #spare: OwnShim | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** The shim that was started ahead, where there is one of use, else a new one. @throws SyscallError: none could be started */
  async take(): Promise<OwnShim> {
    clearTimeout(this.#timer);
    const spare = this.#spare;
    this.#spare = null;
    if (spare !== null) {
      if (isOfUse(spare)) return spare;
      spare.connection.close();
    }
    return started();
  }

  /** To be called when a container was made: starts a shim for the next one when nothing is made for a while. */
  prepare(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#start(), IDLE).unref();
  }

  /** Ends the shim, if there is one. */
  discard(): void {
    clearTimeout(this.#timer);
    this.#spare?.connection.close();
    this.#spare = null;
  }

  async #start(): Promise<void> {
    if (this.#spare !== null) return;
    try {
      const spare = await started();
      // another may have been started meanwhile
      if (this.#spare === null) this.#spare = spare;
      else spare.connection.close();
    } catch {
      // the next container starts its shim by itself, and tells what hinders that
    }
  }
}

export const spareShim = new SpareShim();

async function started(): Promise<OwnShim> {
  const id = newId();
  return { id, connection: await launchContainerShim(id) };
}

/** Whether it lives, and serves where containers are made now: the runtime folder may be another by now, or somebody has emptied it. */
function isOfUse({ id, connection }: OwnShim): boolean {
  return connection.reaches && existsSync(join(containerFolder(id), 'shim.sock'));
}
