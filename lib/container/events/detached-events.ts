import { monotonicNs } from '../../native/clock.js';
import { containerIds } from '../detached/container-folders.js';
import { FolderWatch } from './folder-watch.js';
import { type Hearer, WatchedContainer } from './watched-container.js';

/** What happens to the detached containers of this user from now on, whoever makes them and acts on them. */
export class DetachedEvents {
  readonly #containers = new Map<string, WatchedContainer>();
  /** Those whose folder is gone, and whose shim may have said something that was not read yet. */
  readonly #gone = new Set<WatchedContainer>();
  readonly #hearer: Hearer;
  readonly #folder: FolderWatch;

  /** @throws as FolderWatch, and what reading a container's folder throws */
  constructor(hearer: Hearer) {
    this.#hearer = hearer;
    const since = monotonicNs();
    this.#folder = new FolderWatch(() => this.#look(null), hearer.fail);
    try {
      // what was made before the folder was watched is seen now, what is made later is told
      this.#look(since);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  set keepsAlive(keeps: boolean) {
    this.#folder.keepsAlive = keeps;
  }

  close(): void {
    for (const container of [...this.#containers.values(), ...this.#gone]) container.close();
    this.#folder.close();
  }

  #look(since: bigint | null): void {
    const ids = new Set(containerIds());
    for (const container of this.#gone) if (container.isOver) this.#gone.delete(container);
    for (const [id, container] of this.#containers) {
      if (ids.has(id)) continue;
      this.#containers.delete(id);
      this.#gone.add(container);
      container.vanished();
    }
    for (const id of ids) {
      if (!this.#containers.has(id)) this.#containers.set(id, new WatchedContainer(id, since, this.#hearer));
    }
  }
}
