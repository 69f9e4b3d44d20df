import { randomUUID } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { hasCode, ImageError, UnsupportedError } from '../errors.js';
import { storeRoot } from '../host/store-path.js';
import { clearTimeout, setTimeout } from '../native/clock.js';
import { tryLock } from '../native/load-addon.js';
import { wordsOf } from '../native/system-errors.js';
import { withLock } from './store-lock.js';
import { listFolder, makeFolder } from './store-root.js';

/** Keeps blobs and unpacked layers from being removed until it is released; `release` is idempotent. */
export interface Hold {
  release(): void;
  /** A path for working files, which are removed with this process. @throws ImageError when the store can't be written to */
  temporaryPath(): Promise<string>;
}

/** ms that a digest stays in the lease after its last use: programs run one container after the other. */
const LINGER = 1000;

const schema = z.array(z.string());

/**
 * What this process (this copy of the module) uses of a store, as a file that it keeps locked: whoever removes something from the store
 * looks at these files first. A lease counts while the lock is held, so that a process that dies has nothing to undo.
 */
class Lease {
  readonly name: string;
  readonly #root: string;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #uses = new Map<string, number>();
  #holds = 0;
  /** The digests that are in the file. */
  #written: ReadonlySet<string> = new Set();
  #writing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  private constructor(root: string, path: string, name: string, file: FileHandle) {
    this.name = name;
    this.#root = root;
    this.#path = path;
    this.#file = file;
  }

  static async take(root: string): Promise<Lease> {
    // the lock is shared, as a process that removes something would take a file that is not locked yet for that of a dead process
    return withLock(root, 'shared', async () => {
      const { name, path, file } = await lockedFile(root, async () => undefined);
      return new Lease(root, path, name, file);
    });
  }

  /** Removes the file at the process's end, when nothing can be waited for. */
  discard(): void {
    try {
      rmSync(this.#path, { force: true });
    } catch {
      // the file of a dead process at worst, which the next prune removes
    }
  }

  /** Whether the file still exists: a store can be removed as a whole. */
  get isThere(): boolean {
    return existsSync(this.#path);
  }

  /**
   * The digests that are in use now, for a prune that removes the rest. A digest that was in use until a moment ago counts again only when
   * it is written anew.
   */
  used(): ReadonlySet<string> {
    const used = new Set(this.#uses.keys());
    this.#written = new Set([...this.#written].filter((digest) => used.has(digest)));
    return used;
  }

  async hold(digests: readonly string[]): Promise<Hold> {
    this.#holds++;
    for (const digest of digests) this.#uses.set(digest, (this.#uses.get(digest) ?? 0) + 1);
    let released = false;
    const release = (): void => {
      if (!released) this.#release(digests);
      released = true;
    };
    try {
      if (digests.some((digest) => !this.#written.has(digest))) await this.#write();
    } catch (error) {
      release();
      throw error;
    }
    return {
      release,
      temporaryPath: async () => {
        const folder = await makeFolder(join(this.#root, 'tmp')).catch((cause: unknown) => {
          throw storeError(this.#root, cause);
        });
        return join(folder, `${this.name}-${randomUUID()}`);
      },
    };
  }

  #release(digests: readonly string[]): void {
    this.#holds--;
    for (const digest of digests) {
      const uses = (this.#uses.get(digest) ?? 0) - 1;
      if (uses > 0) this.#uses.set(digest, uses);
      else this.#uses.delete(digest);
    }
    this.#timer ??= setTimeout(() => void this.tidy(), LINGER).unref();
  }

  /** Brings the file up to date, or ends the lease when nothing is in use. A digest that stays in the file too long does no harm. */
  async tidy(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#holds > 0) return this.#write().catch(() => undefined);
    if (leases.get(this.#root)?.lease === this) leases.delete(this.#root);
    await this.#writing;
    // the file of a dead process at worst, which the next prune removes
    await unlink(this.#path).catch(() => undefined);
    await this.#file.close();
  }

  /**
   * Writes the file. Writes come one after the other, and only while nobody removes: a process that removes trusts what it has read by
   * then.
   */
  #write(): Promise<void> {
    const write = (): Promise<void> =>
      withLock(this.#root, 'shared', async () => {
        const digests = new Set(this.#uses.keys());
        const text = Buffer.from(JSON.stringify([...digests]));
        // no digest counts as written during the write, nor when it fails
        this.#written = new Set();
        await this.#file.truncate(0);
        await this.#file.write(text, 0, text.length, 0);
        this.#written = digests;
      });
    const written = this.#writing.then(write);
    this.#writing = written.catch(() => undefined);
    return written;
  }
}

/** A lease that another process is to keep: whoever holds the descriptor, or a copy of it, keeps the lease. */
export interface HandedLease {
  readonly fd: number;
  readonly path: string;
  /** Closes this process's descriptor. */
  close(): Promise<void>;
}

/** A new file of a lease, locked, with what `fill` writes: none after a failure. The caller has the store's lock. */
async function lockedFile(
  root: string,
  fill: (file: FileHandle) => Promise<unknown>,
): Promise<{ readonly name: string; readonly path: string; readonly file: FileHandle }> {
  const name = randomUUID();
  const path = join(await makeFolder(join(root, 'leases')), name);
  const file = await open(path, 'wx+', 0o600);
  try {
    tryLock(file.fd, 'exclusive');
    await fill(file);
    return { name, path, file };
  } catch (error) {
    await file.close();
    // the file of a dead process at worst, which the next prune removes
    await unlink(path).catch(() => undefined);
    throw error;
  }
}

/** Takes a lease of its own for digests that are in use already. */
export async function handedLease(digests: readonly string[], root = storeRoot()): Promise<HandedLease> {
  return withLock(root, 'shared', async () => {
    const { path, file } = await lockedFile(root, (made) => made.write(JSON.stringify(digests)));
    return { fd: file.fd, path, close: () => file.close() };
  });
}

interface Slot {
  readonly taking: Promise<Lease>;
  lease?: Lease;
}

/** Leases by the store's root. */
const leases = new Map<string, Slot>();

/** Removes the files of all leases, so that a program that ends within {@link LINGER} leaves none behind. */
function discardAll(): void {
  for (const { lease } of leases.values()) lease?.discard();
}

/**
 * Keeps digests (of blobs, and chain ids of layers) in a store, whether they are there yet or not. Take it before you look whether they are
 * there: what is there by then stays.
 *
 * @throws ImageError when the store can't be written to
 */
export async function hold(digests: readonly string[], root = storeRoot()): Promise<Hold> {
  const known = leases.get(root);
  if (known?.lease && !known.lease.isThere) leases.delete(root);
  try {
    return await (await (leases.get(root) ?? take(root)).taking).hold(digests);
  } catch (cause) {
    throw storeError(root, cause);
  }
}

function storeError(root: string, cause: unknown): unknown {
  return cause instanceof UnsupportedError ? cause : new ImageError(`use the store ${root}: ${wordsOf(cause)}`, { cause });
}

function take(root: string): Slot {
  // there is one listener, however often a lease is taken
  process.off('exit', discardAll).on('exit', discardAll);
  const slot: Slot = { taking: Lease.take(root) };
  leases.set(root, slot);
  slot.taking.then(
    (lease) => {
      slot.lease = lease;
    },
    () => leases.delete(root),
  );
  return slot;
}

/** Releases now what would be released after {@link LINGER}. @internal For tests. */
export async function tidyLeases(): Promise<void> {
  for (const { taking } of [...leases.values()]) await (await taking).tidy();
}

/**
 * The digests that living processes use, and the names of their leases; leases of dead processes are removed. The caller must have the lock
 * exclusively.
 */
export async function livingLeases(root: string): Promise<{ readonly digests: ReadonlySet<string>; readonly names: ReadonlySet<string> }> {
  const own = leases.get(root)?.lease;
  const digests = new Set(own?.used());
  const names = new Set(own ? [own.name] : []);
  for (const name of await listFolder(join(root, 'leases'))) {
    // the file of this process also has what it used until a moment ago, which may be removed
    if (names.has(name)) continue;
    const path = join(root, 'leases', name);
    const used = await digestsOf(path);
    if (used === null) continue;
    names.add(name);
    for (const digest of used) digests.add(digest);
  }
  return { digests, names };
}

/** @throws ImageError: what a living process uses is not known, so nothing can be removed */
function parseLease(text: string, path: string): string[] {
  try {
    return schema.parse(JSON.parse(text || '[]'));
  } catch (cause) {
    throw new ImageError(`the lease ${path} of a living process is damaged: end that process, or remove the file`, { cause });
  }
}

/** The digests in a lease; `null` for the lease of a dead process, which was removed. */
async function digestsOf(path: string): Promise<string[] | null> {
  const file = await open(path, 'r+').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  });
  if (file === null) return null;
  try {
    if (!tryLock(file.fd, 'exclusive')) return parseLease(await file.readFile('utf8'), path);
    await unlink(path).catch((error: unknown) => {
      // the lease's process ended meanwhile, and removed the file
      if (!hasCode(error, 'ENOENT')) throw error;
    });
    return null;
  } finally {
    await file.close();
  }
}
