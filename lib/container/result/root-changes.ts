import type { Readable } from 'node:stream';
import { NacelleError, UnsupportedError } from '../../errors.js';
import type { Change } from '../../filesystem/change.js';
import { listChanges, readChanges } from '../../filesystem/changes-reader.js';
import type { LeaveOut } from '../../filesystem/overlay-plan.js';
import { type Holding, release } from '../../native/host-work.js';
import { closeDescriptor } from '../../native/load-addon.js';
import { clampOf, type LayerOptions } from '../../options/layer-options.js';

/** A mount of the root, and what holds the changes to it. */
export interface ChangedMount {
  /** Inside the container. */
  readonly target: string;
  /** What lies below the changes, the topmost first. */
  readonly lower: readonly string[];
  /** O_PATH */
  readonly upper: number;
}

/** What a container wrote to its root: to be read while it runs and after its end, until it is removed. */
export class RootChanges {
  readonly #mounts: readonly ChangedMount[];
  /** The folder on disk, when the changes are in one. */
  readonly #disk: readonly Holding[];
  /** What is left out, by absolute paths. */
  readonly #leaveOut: LeaveOut;
  #isClosed = false;

  constructor(mounts: readonly ChangedMount[], disk: readonly Holding[], leaveOut: LeaveOut) {
    this.#mounts = mounts;
    this.#disk = disk;
    this.#leaveOut = leaveOut;
  }

  async *changes(): AsyncGenerator<Change, void, undefined> {
    for (const { target, lower, upper } of this.#open('list the changes')) {
      // the container may have been removed while the mounts before were listed
      this.#open('list the changes');
      for await (const change of listChanges({ lower, target: null, changes: upper, leaveOut: below(target, this.#leaveOut) })) {
        yield target === '/' ? change : { ...change, path: target + (change.path === '/' ? '' : change.path) };
      }
    }
  }

  async layer(options: LayerOptions = {}): Promise<Readable> {
    const [root, ...others] = this.#open('pack the changes');
    if (!root || others.length > 0) throw new UnsupportedError('a layer of several mounts', 'it is of one root, as images have it');
    const leaveOut = below('/', this.#leaveOut);
    return readChanges({ work: 'pack', lower: root.lower, target: null, changes: root.upper, clampMtime: clampOf(options), leaveOut });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { upper } of this.#mounts) closeDescriptor(upper);
    await release(this.#disk);
  }

  #open(what: string): readonly ChangedMount[] {
    if (this.#isClosed) throw new NacelleError(`${what} of a container: it was removed`, { code: 'ERR_CLOSED' });
    return this.#mounts;
  }
}

/** Takes those of the absolute paths that are in a mount, relative to it. */
function below(target: string, { covered, volumes, stubs }: LeaveOut): LeaveOut {
  const start = target === '/' ? '/' : `${target}/`;
  const relative = (paths: readonly string[]): string[] =>
    paths.flatMap((path) => (path.startsWith(start) ? [path.slice(start.length)] : []));
  return { covered: relative(covered), volumes: relative(volumes), stubs: relative(stubs) };
}
