import { invalidOption } from '../../errors.js';
import { networkNamespaceOf } from '../../host/locate.js';
import type { Parked } from '../../native/first-parts.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { PooledPlan } from '../plan/pool-plan.js';
import type { Prepared } from '../start/prepare.js';
import type { RestShapes } from './rest-shapes.js';

/** How many characters of a container's id its host name has, by which the shim tells its containers apart. */
export const NAMED = 12;

/** A container that is a run's from now on. */
export interface Taken {
  readonly parked: Parked;
  /** What it was planned with; of one that the shim has named, under another name. */
  readonly of: Prepared;
  readonly plan: PooledPlan;
  /** The rests of the runs before, where those differ in the name alone. */
  readonly shapes: RestShapes;
  /** To be called once, when the container is gone. */
  release(): void;
}

/** The containers of a pool that wait in the shim, by how they were planned. */
export interface PooledParts {
  /** What one of them was planned with: all but names, addresses and ids is the same for each. */
  readonly sample: Prepared;
  readonly ready: number;
  /** There will never be another. */
  readonly isOver: boolean;
  /** Resolves when all wait. @throws why one could not be made */
  readonly begun: Promise<void>;
  /** `null`: none waits. */
  take(): Taken | null;
  /** Undoes those that wait, and resolves when the mounts are gone too of all that has ended when `runs` has. To be called once. @throws what could not be undone */
  close(runs?: Promise<unknown>): Promise<void>;
}

/** What shows only when a container has been prepared. @throws NacelleError `ERR_INVALID_OPTION` */
export function requirePoolable({ options, root, bound, health, proc, slots }: Prepared): void {
  const wrong = (option: string, why: string) => invalidOption(option, `can't go with a pool: ${why}`);
  if (root.type === 'recipe' && root.disk !== null) throw wrong('upper', 'what is written to the root can be on disk alone here');
  if (root.type === 'folder' && root.bound !== null) throw wrong('rootfs', 'its mount can be given to one container alone');
  if (bound.size > 0) throw wrong('mounts', `the mount at ${[...bound.keys()].join(', ')} can be given to one container alone`);
  if (options.mounts.some(({ type, source }) => type === 'image' && source === 'host'))
    throw wrong('mounts', "'host' is mounted: what is to be hidden may change");
  if (health !== null) throw wrong('healthcheck', "the image has one: give 'none'");
  if (proc !== null) throw wrong('namespaces', 'they are shared');
  if (slots.descriptors.size > MOST_DESCRIPTORS) throw wrong('mounts', 'they need too many descriptors');
}

/** So that those of a run fit beside them into one message to the process. */
const MOST_DESCRIPTORS = 200;

/** The network namespace of the container whose network they share; `null`: they share none. @throws as {@link ParsedOptions.networkOf} */
export async function sharedNetwork({ networkOf }: Pick<ParsedOptions, 'networkOf'>): Promise<number | null> {
  const network = await networkOf?.namespace('net');
  if (!network) return null;
  try {
    return networkNamespaceOf(network.fd);
  } finally {
    await network.close();
  }
}
