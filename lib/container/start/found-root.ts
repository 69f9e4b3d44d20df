import { readlinkSync } from 'node:fs';
import { totalmem } from 'node:os';
import { invalidOption } from '../../errors.js';
import { mounter, privilege } from '../../host/privilege.js';
import type { ImageConfig } from '../../image/formats/image-config.js';
import type { Image } from '../../image/image.js';
import type { Shim } from '../../native/shim.js';
import { attempt } from '../../native/system-errors.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { RootSource } from '../plan/plan-input.js';
import { lookUp } from './host-paths.js';
import { boundOf, closing } from './mount-sources.js';
import { imageOf } from './named-image.js';
import { upperOnDisk } from './upper-on-disk.js';

/** A container's root, with what the image says of it. */
export interface FoundRoot {
  readonly root: RootSource;
  readonly config: ImageConfig;
  /** `null` for a root that is a folder. */
  readonly image: Image | null;
  /** What of the image must stay in the store. */
  readonly digests: readonly string[];
  /** Lets go of it; to be called when the container's mounts are gone, or were never made. */
  readonly release: () => void;
}

/**
 * Finds the root, and unpacks the image's layers into the store where they are not there yet.
 *
 * @throws as `Image` does; NacelleError `ERR_INVALID_OPTION`; SyscallError; UnsupportedError
 */
export async function findRoot(options: ParsedOptions, of: { readonly id: string; readonly shim: Shim }): Promise<FoundRoot> {
  if (options.root.type === 'rootfs') {
    const path = typeof options.root.rootfs === 'string' ? options.root.rootfs : options.root.rootfs.path;
    requireFolder(path, 'rootfs');
    requireOwnMounts(path, 'rootfs');
    const bound = await boundOf(path, options);
    const release = bound === null ? () => undefined : closing(bound);
    return { root: { type: 'folder', path, bound }, config: {}, image: null, digests: [], release };
  }
  const { image: wanted, pull, upperSize } = options.root;
  const image = typeof wanted === 'string' ? await imageOf(wanted, pull, options) : wanted;
  const disk = await upperOnDisk(options.root, of);
  const { recipe, digests, release } = await image.use({
    onProgress: options.onProgress ?? undefined,
    signal: options.process.cancelSignal ?? undefined,
    mounter: mounter(privilege()),
  });
  const half = Math.floor((options.limits.memory ?? totalmem()) / 2);
  return {
    root: { type: 'recipe', recipe, upperSize: upperSize ?? Math.max(half, 4096), disk },
    config: image.config,
    image,
    digests,
    release,
  };
}

function requireFolder(path: string, option: string): void {
  const status = lookUp(path, option);
  if (!status.isDirectory()) throw invalidOption(option, `${path} is not a folder`);
}

/**
 * Refuses a path that leads, by /proc/PID/root and the like, into the mounts of another namespace: it can't be bound (open_tree(2),
 * EINVAL).
 */
function requireOwnMounts(path: string, option: string): void {
  const pid = /^\/proc\/(\d+)\/(?:root|cwd|fd\/\d+)(?:\/|$)/.exec(path)?.[1];
  if (pid === undefined) return;
  const [own, other] = ['self', pid].map((process) =>
    attempt(`look up ${path} for ${option}`, () => readlinkSync(`/proc/${process}/ns/mnt`)),
  );
  if (own !== other) throw invalidOption(option, `${path} leads into another mount namespace, of which nothing can be bound`);
}
