import type { ContainerPruneReport } from '../container/options/list-types.js';
import type { ImagePruneReport } from '../image/store/prune.js';
import type { NetworkPruneReport } from '../network/bridge/network.js';
import type { VolumePruneReport } from '../volume/volume.js';

/** What `BuildCache.prune()` has removed. */
export interface BuildCachePruneReport extends Pick<ImagePruneReport, 'blobs' | 'layers' | 'bytes'> {
  /** Ids of cache mounts. */
  readonly mounts: readonly string[];
  /** Keys of steps. */
  readonly keys: readonly string[];
}

/** What a `prune()` has removed, of whichever kind: that of containers has no `images`. */
export type PruneReport = Partial<ContainerPruneReport & ImagePruneReport & VolumePruneReport & NetworkPruneReport & BuildCachePruneReport>;
