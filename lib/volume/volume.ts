import { rename } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { NacelleError } from '../errors.js';
import { refuseFolderSize } from '../host/folder-quota.js';
import { storeRoot } from '../host/store-path.js';
import { asyncDispose } from '../native/async-dispose.js';
import { attempting } from '../native/system-errors.js';
import { parseOptions } from '../options/parse-options.js';
import { hold } from '../store/lease.js';
import { sweepLeavings } from '../store/leavings.js';
import { removeTree } from '../store/remove-tree.js';
import { fillFrom, packTree } from './volume-content.js';
import { dataFolder, findVolume, isEmpty, lockPath, makeVolume, noVolume, volumeFolder, volumeNames } from './volume-folder.js';
import { VolumeLock } from './volume-lock.js';
import { pruneOptions, type VolumeOptions, volumeName, volumeOptions } from './volume-options.js';

/** What `Volume.list()` tells of a volume. */
export interface VolumeInfo {
  readonly name: string;
  /** The folder on the host with its files. */
  readonly path: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: Date;
}

/** What `Volume.prune()` has removed. */
export interface VolumePruneReport {
  /** Names, sorted. */
  readonly volumes: readonly string[];
}

/**
 * A folder for data that outlives containers, kept by its name in the store beside the images (docs/volumes.md). Several containers may
 * use it at once.
 *
 * @example
 * const volume = await Volume.create('shop-data', { labels: { project: 'shop' } });
 * await Container.run({ image: 'postgres', volumes: ['shop-data:/var/lib/postgresql/data'] });
 */
export class Volume implements AsyncDisposable {
  readonly name: string;
  /** The folder on the host with its files: root's, of whom they are in the container. Absolute. */
  readonly path: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: Date;
  readonly #root: string;
  #removed = false;

  private constructor({ name, labels, createdAt, root }: Pick<VolumeInfo, 'name' | 'labels' | 'createdAt'> & { readonly root: string }) {
    this.name = name;
    this.path = dataFolder(name, root);
    this.labels = labels;
    this.createdAt = createdAt;
    this.#root = root;
  }

  /**
   * Makes an empty volume. Of several that make one of the same name at once, one does.
   *
   * @param name letters, digits, '_', '.' and '-', of which the first is a letter or a digit: docker's rule; 255 at most
   * @throws NacelleError `ERR_INVALID_OPTION`, `ERR_NAME_TAKEN` when there is one of that name; UnsupportedError for a `size`,
   * with the reason that `features().folderQuota` gives; SyscallError
   */
  static async create(name: string, options: VolumeOptions = {}): Promise<Volume> {
    const checked = parseOptions(volumeName, name, 'name');
    const { labels = {}, size } = parseOptions(volumeOptions, options, 'options');
    if (size !== undefined) refuseFolderSize(`the size of the volume ${checked}`);
    const root = storeRoot();
    const record = await makeVolume(checked, labels, root);
    return new Volume({ name: checked, labels: record.labels, createdAt: new Date(record.createdAt), root });
  }

  /** @throws NacelleError `ERR_INVALID_OPTION`, `ERR_NO_VOLUME` when there is none of that name, `ERR_RECORD` when what is written of it is damaged */
  static async open(name: string): Promise<Volume> {
    const checked = parseOptions(volumeName, name, 'name');
    const root = storeRoot();
    const record = await findVolume(checked, root);
    if (record === null) throw noVolume(checked);
    return new Volume({ name: checked, labels: record.labels, createdAt: new Date(record.createdAt), root });
  }

  /** All volumes of the store, sorted by name. @throws NacelleError `ERR_RECORD` when what is written of one is damaged */
  static async list(): Promise<VolumeInfo[]> {
    const root = storeRoot();
    const found: VolumeInfo[] = [];
    for (const name of await volumeNames(root)) {
      const record = await findVolume(name, root);
      // a volume may be removed while this looks
      if (record === null) continue;
      const { labels, createdAt } = record;
      found.push({ name, path: dataFolder(name, root), labels, createdAt: new Date(createdAt) });
    }
    return found;
  }

  /**
   * Removes volumes that nothing uses, and what processes left that died while they filled or removed one. Volumes with a name are data
   * that somebody wanted to keep: they are removed with `all` alone, as docker does. Those without one go with their container anyhow.
   *
   * @param options.all default false
   * @throws NacelleError `ERR_INVALID_OPTION`; SyscallError
   */
  static async prune(options: { all?: boolean | undefined } = {}): Promise<VolumePruneReport> {
    const { all = false } = parseOptions(pruneOptions, options, 'options');
    const root = storeRoot();
    const volumes: string[] = [];
    for (const name of all ? await volumeNames(root) : []) {
      const lock = VolumeLock.open(lockPath(name, root));
      if (lock === null) continue;
      try {
        if (!lock.try('exclusive') || !lock.isCurrent) continue;
        await removeFolder(name, root);
        volumes.push(name);
      } finally {
        lock.release();
      }
    }
    const failure = await sweepLeavings(root);
    if (failure) throw failure;
    return { volumes };
  }

  /**
   * A tar of its files, with owners, modes, extended attributes and hard links; the first entry is './', the folder itself. Sockets are
   * left out, as are labels of SELinux and what overlayfs keeps in `trusted.overlay.*`. A file that is written to meanwhile may have its
   * old or its new content. The volume is in use until the stream has closed.
   *
   * @throws NacelleError `ERR_NO_VOLUME`; SyscallError
   */
  async export(): Promise<Readable> {
    const lock = this.#lock();
    try {
      await lock.share();
      if (!lock.isCurrent) throw noVolume(this.name);
      const stream = await packTree({ root: { type: 'folder', path: this.path }, path: '/' }, `export the volume ${this.name}`);
      return stream.once('close', () => lock.release());
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /**
   * Fills the volume, which must be empty, with the files of a tar, uncompressed, as `export` gives it. They appear all at once, or not at
   * all. The tar need not be trusted: nothing of it gets out of the volume.
   *
   * @throws NacelleError `ERR_NO_VOLUME`, `ERR_IN_USE` while a container uses the volume, `ERR_NOT_EMPTY`, `ERR_ARCHIVE` for a tar that
   * can't be unpacked; what the source failed with; SyscallError
   */
  async import(source: Readable): Promise<void> {
    const lock = this.#lock();
    try {
      if (!lock.try('exclusive')) throw this.#inUse('import into');
      if (!lock.isCurrent) throw noVolume(this.name);
      const empty = await attempting(`look into the volume ${this.name}`, () => isEmpty(this.path));
      if (!empty) {
        const cure = 'Import into a new one, or remove what is in it';
        throw new NacelleError(`import into the volume ${this.name}: it has files already. ${cure}`, { code: 'ERR_NOT_EMPTY' });
      }
      await fillFrom(this.name, source);
    } catch (error) {
      // whoever writes to the source would else wait for ever
      source.destroy();
      throw error;
    } finally {
      lock.release();
    }
  }

  /**
   * Removes the volume with all its files. Idempotent.
   *
   * @throws NacelleError `ERR_IN_USE` while a container uses it, `ERR_NO_VOLUME` when it was removed by others; SyscallError
   */
  async remove(): Promise<void> {
    if (this.#removed) return;
    const lock = this.#lock();
    try {
      if (!lock.try('exclusive')) throw this.#inUse('remove');
      if (!lock.isCurrent) throw noVolume(this.name);
      await removeFolder(this.name, this.#root);
      this.#removed = true;
    } finally {
      lock.release();
    }
  }

  /** Lets go of the handle, which holds nothing. The volume stays: its data is to outlive the program. `remove` removes it. */
  async [asyncDispose](): Promise<void> {}

  #lock(): VolumeLock {
    const lock = VolumeLock.open(lockPath(this.name, this.#root));
    if (lock === null) throw noVolume(this.name);
    return lock;
  }

  #inUse(what: string): NacelleError {
    return new NacelleError(`${what} the volume ${this.name}: it is in use. Remove the containers that use it first`, {
      code: 'ERR_IN_USE',
    });
  }
}

/** Takes a volume's name away by one rename, and then removes its files. The caller must have its lock exclusively. */
async function removeFolder(name: string, root: string): Promise<void> {
  const held = await hold([], root);
  try {
    const away = await attempting(`remove the volume ${name}`, async () => {
      const path = await held.temporaryPath();
      await rename(volumeFolder(name, root), path);
      return path;
    });
    await removeTree(away);
  } finally {
    held.release();
  }
}
