import type { ParsedOptions } from '../options/container-options.js';
import type { MountFlag, ParsedMount } from '../options/mount-flags.js';
import type { ReadSeccomp } from '../options/seccomp-option.js';
import type { MountRow } from '../plan/mount-table.js';

/** A mount of the caller's; a volume is the bind of its folder. Its flags are a list, for a note has no sets. */
export type NotedMount = Pick<ParsedMount, 'type' | 'source' | 'target' | 'recursive' | 'propagation' | 'data'> & {
  readonly flags: readonly MountFlag[];
};

/** What a bundle has of a container beside what its record tells anyway: plain data, which another process can read. */
export interface BundleFacts {
  readonly mounts: readonly NotedMount[];
  /** What the container got mounted unasked. */
  readonly table: readonly MountRow[];
  readonly seccomp: ReadSeccomp;
  /** The group that the caller named. */
  readonly cgroup: string | null;
  /** Options that it was made with, that no config.json can say, and of which the record tells nothing. */
  readonly unsaid: readonly string[];
}

/** What of a container these facts follow from. */
export interface FactsInput {
  readonly options: Pick<ParsedOptions, 'mounts' | 'cgroup' | 'cgroupParent' | 'copyIn' | 'onDenied'>;
  readonly table: { readonly mounts: readonly MountRow[] };
  readonly seccomp: ReadSeccomp;
}

/** Pure. */
export function bundleFacts({ options, table, seccomp }: FactsInput): BundleFacts {
  const parent = options.cgroup ?? options.cgroupParent;
  return {
    mounts: options.mounts.map(({ type, source, target, recursive, propagation, flags, data }) => {
      return { type, source, target, recursive, propagation, flags: [...flags], data };
    }),
    table: table.mounts,
    seccomp,
    cgroup: parent === null || typeof parent === 'string' ? parent : parent.name,
    unsaid: [...(options.copyIn.length > 0 ? ['copyIn'] : []), ...(options.onDenied === null ? [] : ['onDenied'])],
  };
}
