import type { BundleConfig, BundleProcess } from '../../oci-config/config-schema.js';
import type { NamespaceType } from '../../plan/namespace-types.js';
import type { Slots } from '../../plan/plan.js';
import type { UserMaps } from '../config/bundle-user-maps.js';
import type { ProgramLabels } from '../config/security-labels.js';
import type { DeviceMaker } from './bundle-devices.js';
import type { BundleGroups } from './bundle-groups.js';
import type { MountFacts } from './bundle-mounts.js';
import type { BundleProgram } from './bundle-process.js';
import type { ConsoleRequest } from './console-of-plan.js';
import type { NetDevice } from './net-device-steps.js';

/** Everything that the plan of a container depends on. */
export interface BundleInput extends Pick<BundleProgram, 'capabilities' | 'limits' | 'filter'>, Pick<DeviceMaker, 'makesDevices'> {
  readonly slots: Slots;
  readonly config: BundleConfig;
  readonly process: BundleProcess;
  readonly labels: ProgramLabels;
  /** An absolute path of the host. */
  readonly rootfs: string;
  readonly groups: BundleGroups;
  readonly mounts: Omit<MountFacts, 'pidns' | 'ownMounts' | 'takesBindsFirst'>;
  /** Descriptors of the namespaces that are joined. */
  readonly joined: ReadonlyMap<NamespaceType, number>;
  /** Types of those of them that are the runtime's own. */
  readonly runtimes: ReadonlySet<NamespaceType>;
  /** The folder with the container's state, in which the named pipes are made. */
  readonly folder: string;
  /** The runtime's own descriptors that the program gets from 3 on; `null`: it has none of that number. */
  readonly preserved: readonly (number | null)[];
  /** The runtime's own 0, 1 and 2 where the program has no terminal. */
  readonly streams: readonly [number, number, number] | null;
  readonly console: ConsoleRequest | null;
  /** Links of the host that the container gets. */
  readonly netDevices: readonly NetDevice[];
  /** An absolute path of a socket that gets a pidfd of the container's process; `null`: none does. */
  readonly pidfdSocket: string | null;
  readonly newKeyring: boolean;
  /** The root is changed without pivot_root(2). */
  readonly noPivot: boolean;
  /** What is sent with the filter's listener, cut where the number of the process stands. */
  readonly listenerState: readonly string[];
  /** The ids of a user namespace of its own that the plan makes or joins; `null`: none. */
  readonly maps: UserMaps | null;
  /** The shim is root of the container's user namespace already. */
  readonly isInUsers: boolean;
  /** The process keeps the runtime's groups: the kernel refuses any change, as one group alone is mapped, or an annotation asks for that. */
  readonly keepsGroups: boolean;
  /** The container goes on without the runtime. */
  readonly handsOver: boolean;
  /** What hooks of the container's process read, before and after it is created, around the number of the process. */
  readonly states: Readonly<Record<'creating' | 'created', { readonly before: string; readonly after: string }>>;
}
