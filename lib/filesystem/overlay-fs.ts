import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { NacelleError, UnsupportedError } from '../errors.js';
import { containerShim } from '../host/container-shim.js';
import { type HostRecord, writeRecord } from '../host/journal.js';
import { mounter, type Privilege, privilege } from '../host/privilege.js';
import { reapFirst } from '../host/reap.js';
import { withRecord } from '../host/recorded.js';
import { requireMarks, upperFitsInMemory } from '../host/upper-place.js';
import { asyncDispose } from '../native/async-dispose.js';
import { carryOut, type Holding, hold, release, undone } from '../native/host-work.js';
import { closeDescriptor } from '../native/load-addon.js';
import { ownShim, type Shim } from '../native/shim.js';
import { clampOf, type LayerOptions, type LayerStream } from '../options/layer-options.js';
import { MOUNT_ATTR, type Ownership } from '../plan/recipe.js';
import { type Away, makeAway } from './away-mount.js';
import type { Change } from './change.js';
import { listChanges, packFolder, readChanges } from './changes-reader.js';
import { type Folders, findFolders, type Place, type Target } from './overlay-folders.js';
import { type OverlayOptions, type OverlaySettings, parseOverlayOptions } from './overlay-fs-options.js';
import { type Forget, type Held, type OverlaySource, planHold, planMake, planWork, type ReadRequest } from './overlay-plan.js';
import { requireWhole } from './whole-lowers.js';

/** What a mounted overlay is made of. */
interface Mounted {
  readonly settings: OverlaySettings;
  readonly target: string;
  /** The folder with the changes, O_PATH. */
  readonly changes: number;
  /** Where an ordinary user's is mounted; `null` for one of root's, which is mounted on the target. */
  readonly away: Away | null;
  /** To be taken away in this order. */
  readonly holdings: readonly Holding[];
  readonly whose: Whose;
}

/** Whose files the lower folders have. */
interface Whose {
  /** MOUNT_ATTR_* of the mount. */
  readonly attributes: number;
  /** Nobody but this user gets to them by the mount. */
  readonly isPrivate: boolean;
  /** Lets go of what is held as long as the mount is there. */
  release(): void;
}

const THE_CALLERS: Whose = { attributes: 0, isPrivate: false, release: () => undefined };

/**
 * Folders shown as one, by the kernel's overlayfs: lower folders that are only read, and an upper one that takes the changes.
 *
 * It goes when it is unmounted and, unless `persist`, when its owner ends.
 *
 * An ordinary user's is mounted where no path of the host leads to: its `path` is a descriptor's below /proc, by which this process and the
 * user's others read and write its files. A container has it as `rootfs`, or by a bind of that path or of one below it, and keeps it as long
 * as it lives.
 */
export class OverlayFs implements AsyncDisposable {
  /** Where it is mounted; without symlinks. Of an ordinary user: /proc/PID/fd/FD, of this process. */
  readonly path: string;
  /** The topmost first. */
  readonly lower: string[];
  /** `null`: a tmpfs, or nothing with `readOnly`. */
  readonly upper: string | null;
  readonly #mounted: Mounted;
  #unmounted: Promise<void> | undefined;

  private constructor(mounted: Mounted) {
    this.path = mounted.target;
    this.lower = [...mounted.settings.lower];
    this.upper = mounted.settings.upper;
    this.#mounted = mounted;
  }

  /** Whether it goes with this process. @internal */
  get isOwned(): boolean {
    return !this.#mounted.settings.persist;
  }

  /**
   * Mounts an overlay.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; SyscallError for a folder that is missing, and for what the kernel refuses, with
   * its own words in the message; UnsupportedError for `target` and `persist` of an ordinary user, for a lower folder of that user's with mounts
   * below it, and for a place that takes no marks of an overlay of that user. Nothing is left then.
   */
  static async mount(options: OverlayOptions): Promise<OverlayFs> {
    return OverlayFs.#mount(parseOverlayOptions(options), THE_CALLERS);
  }

  /**
   * The overlay of an image's layers. Whoever made the image is a stranger to this machine: devices in it open nothing, and of the host's users nobody
   * else gets to what is set-user-ID in it.
   *
   * @param options.release called when the mount is gone, or was not made
   * @internal
   */
  static async mountImage(
    lower: readonly string[],
    options: { readonly readOnly: boolean; readonly release: () => void },
  ): Promise<OverlayFs> {
    const { readOnly, release } = options;
    try {
      return await OverlayFs.#mount(parseOverlayOptions({ lower, readOnly }), { attributes: MOUNT_ATTR.NODEV, isPrivate: true, release });
    } catch (error) {
      release();
      throw error;
    }
  }

  static async #mount(settings: OverlaySettings, whose: Whose): Promise<OverlayFs> {
    requireOnHost(settings);
    const shim = await containerShim();
    await reapFirst(shim);
    const id = randomBytes(8).toString('hex');
    const folders = await findFolders(settings, { id, isPrivate: whose.isPrivate });
    if (privilege().kind === 'user') requireWhole(settings.lower);
    await requireMarksFor(settings, shim);
    const work = await holdWork(folders.work, settings, { id, shim });
    try {
      const source = sourceOf(settings, folders, { id, attributes: whose.attributes });
      if (source.isUsers) {
        const { away, changes } = await makeAway(source, shim);
        return new OverlayFs({ settings, target: away.path, changes, away, holdings: work, whose });
      }
      const made = await make(source, id, folders.target, settings.persist);
      const holdings = [made.holding, ...work];
      return new OverlayFs({ settings, target: folders.target.path, changes: made.changes, away: null, holdings, whose });
    } catch (error) {
      throw await undone(work, error);
    }
  }

  /**
   * What differs from the lower folders, sorted by path, a folder before its content. A file in the upper is a change even
   * where its bytes are the same; a folder is one when its mode, owner or attributes differ. Deleted folders are one change.
   *
   * Leaving the loop early ends the process that reads.
   *
   * @throws SyscallError when a folder can't be read; NacelleError `ERR_CLOSED` after {@link unmount}
   */
  async *changes(): AsyncGenerator<Change, void, undefined> {
    yield* listChanges(this.#read());
  }

  /**
   * The changes as the tar stream of an OCI layer, not compressed: whiteouts, hard links, extended attributes and holes
   * included. The same changes give the same bytes. What fails on the way is the stream's error; destroying the stream ends
   * the process that packs.
   *
   * @throws NacelleError `ERR_CLOSED` after {@link unmount}, `ERR_INVALID_OPTION`
   */
  async layer(options: LayerOptions = {}): Promise<Readable> {
    return readChanges({ ...this.#read(), work: 'pack', lower: [], clampMtime: clampOf(options) });
  }

  /**
   * What all of it is made of, as layers: each lower folder and, unless it is `readOnly`, the changes; the lowest first.
   *
   * @throws as {@link layer}
   */
  layers(): readonly LayerStream[] {
    const { target } = this.#read();
    const lower = this.lower
      .map(
        (path): LayerStream =>
          (options) =>
            packFolder(path, target, options),
      )
      .reverse();
    return this.#mounted.settings.readOnly ? lower : [...lower, (options) => this.layer(options)];
  }

  /** Takes the mount away, also while files in it are open, and what was made for it. Idempotent. */
  unmount(): Promise<void> {
    this.#unmounted ??= this.#unmount();
    return this.#unmounted;
  }

  [asyncDispose](): Promise<void> {
    return this.unmount();
  }

  #read(): Omit<ReadRequest, 'work' | 'output' | 'userxattr'> {
    if (this.#unmounted) throw new NacelleError(`the overlay on ${this.path} is unmounted`, { code: 'ERR_CLOSED' });
    return { lower: this.lower, target: this.#mounted.away ? null : this.path, changes: this.#mounted.changes };
  }

  async #unmount(): Promise<void> {
    this.#mounted.away?.close();
    closeDescriptor(this.#mounted.changes);
    try {
      await release(this.#mounted.holdings);
    } finally {
      this.#mounted.whose.release();
    }
  }
}

/** @throws UnsupportedError for what only root can have */
function requireOnHost({ target, persist }: OverlaySettings): void {
  if (privilege().kind === 'root') return;
  const option = target !== null ? 'target' : persist ? 'persist' : null;
  if (option === null) return;
  const reason = "an ordinary user's overlay is mounted where no path of the host leads to, and goes with this process";
  throw new UnsupportedError(`OverlayFs with ${option}`, reason, 'Leave the option out and use its path, or run as root.');
}

/**
 * The overlay of an ordinary user has its marks in attributes that not every file system takes.
 *
 * @throws UnsupportedError; SyscallError
 */
async function requireMarksFor({ upper, readOnly }: OverlaySettings, shim: Shim): Promise<void> {
  if (readOnly) return;
  const fix = 'Give an upper on ext4, xfs or btrfs.';
  if (upper !== null) return requireMarks(upper, shim, { what: `the upper ${upper}`, fix });
  if (await upperFitsInMemory(shim)) return;
  throw new UnsupportedError('OverlayFs without upper', 'a tmpfs takes no marks of overlays here', `${fix} Or use Linux 6.6 or later.`);
}

function sourceOf(
  settings: OverlaySettings,
  { work, root }: Folders,
  { id, attributes }: { id: string; attributes: number },
): OverlaySource {
  const { lower, upper, readOnly, volatile, upperSize } = settings;
  const own = privilege();
  const common = { source: `nacelle-${id}`, lower, volatile, attributes, isUsers: own.kind === 'user' };
  if (upper !== null && work !== null) return { ...common, upper: { type: 'folder', upper, work: work.path } };
  return { ...common, upper: readOnly ? { type: 'none' } : { type: 'tmpfs', size: upperSize, root: ownedBy(root, own) } };
}

/** The owner as the maker has it: whose id is none of an ordinary user's is this user. */
function ownedBy(root: Ownership, own: Privilege): Ownership {
  if (own.kind === 'root') return root;
  const { uid, gid } = mounter(own);
  return { ...root, uid: uid(Number(root.uid)) ?? 0, gid: gid(Number(root.gid)) ?? 0 };
}

async function holdWork(work: Place | null, { persist }: OverlaySettings, { id, shim }: { id: string; shim: Shim }): Promise<Holding[]> {
  if (!work?.made) return [];
  const forget = record(`${id}-work`, { persist, shim }, [{ kind: 'tree', path: work.path }]);
  return [await withRecord(forget ?? [], () => holdPlanned(planWork(work.path, forget), shim))];
}

async function make(source: OverlaySource, id: string, target: Target, persist: boolean): Promise<{ holding: Holding; changes: number }> {
  const planned = planMake(source);
  const { descriptors } = await carryOut(planned.plan);
  const mount = descriptors.get(planned.mount);
  const changes = descriptors.get(planned.changes);
  try {
    if (mount === undefined || changes === undefined) throw new NacelleError('the shim gave no overlay', { code: 'ERR_PROTOCOL' });
    const { path, made } = target;
    const forget = record(id, { persist, shim: ownShim() }, [
      { kind: 'mount', path, source: source.source },
      ...made.map((folder): HostRecord => ({ kind: 'folder', path: folder })).reverse(),
    ]);
    const holding = await withRecord(forget ?? [], () => holdPlanned(planHold(mount, path, { made, forget })));
    return { holding, changes };
  } catch (error) {
    if (changes !== undefined) closeDescriptor(changes);
    throw error;
  } finally {
    if (mount !== undefined) closeDescriptor(mount);
  }
}

function holdPlanned({ plan, slots, removal }: Held, on: Shim = ownShim()): Promise<Holding> {
  return hold(plan, slots.descriptors, { removal, on });
}

/** Writes a record before the thing is made. `null`: nobody is to remove what persists, so it has none. */
function record(id: string, { persist, shim }: { persist: boolean; shim: Shim }, records: readonly HostRecord[]): Forget {
  return persist ? null : writeRecord(shim.owner, id, records);
}
