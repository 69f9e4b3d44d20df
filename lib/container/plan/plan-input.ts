import type { GroupPlan } from '../../cgroup/group-plan.js';
import type { JoinedNetworks } from '../../network/bridge/join-networks.js';
import type { CpuClock, HealthCheck, Slots } from '../../plan/plan.js';
import type { RootRecipe } from '../../plan/recipe.js';
import type { Step } from '../../plan/steps.js';
import type { Streams } from '../../process/streams/child-end.js';
import type { Device } from '../../security/paths.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { MountTable } from './mount-table.js';
import type { ProgramSpec } from './program-spec.js';
import type { UserNamespacePlan } from './userns.js';

/** Where the root comes from, found and checked. */
export type RootSource =
  | {
      readonly type: 'recipe';
      readonly recipe: RootRecipe;
      readonly upperSize: number /** A folder on disk; `null`: a tmpfs. */;
      readonly disk: string | null;
    }
  | {
      readonly type: 'folder';
      readonly path: string;
      /** A descriptor of Node's, of a detached mount of it, where the container's process can't bind it by the path. */
      readonly bound: number | null;
    };

/** A device of the host that goes into /dev, looked up. */
export interface ExtraDevice extends Device {
  readonly access: string;
}

/** What the first part of a plan depends on. */
export type HeadInput = Pick<PlanInput, 'options' | 'slots' | 'root' | 'group' | 'devices' | 'proc' | 'userns'> & {
  readonly networks: Pick<PlanInput['networks'], 'attachments' | 'hasIpv6'>;
  /** The table without its files: their contents are not the same for all containers of a shape. */
  readonly table: Omit<MountTable, 'files'>;
};

/** What the tree of a container's mounts depends on: nothing that is of one run of its program alone. */
export type TreeInput = Omit<PlanInput, 'argv' | 'streams' | 'cpuClock' | 'health' | 'journal' | 'stopSignal'>;

/** Everything that the plan of a container depends on: plain data, gathered by prepare.ts. */
export interface PlanInput {
  readonly id: string;
  readonly options: ParsedOptions;
  readonly slots: Slots;
  readonly root: RootSource;
  readonly argv: readonly string[];
  readonly program: ProgramSpec;
  readonly hostname: string;
  readonly group: GroupPlan;
  readonly userns: UserNamespacePlan;
  readonly networks: Pick<JoinedNetworks, 'attachments' | 'hasIpv6' | 'names' | 'pasta' | 'canChange' | 'steps'>;
  readonly cpuClock: CpuClock | null;
  readonly streams: Streams;
  readonly devices: readonly ExtraDevice[];
  /** Folders of the host that are copied, by their paths. */
  readonly copiedFolders: ReadonlySet<string>;
  /** The targets of binds of files, which need a file to be mounted on. */
  readonly fileTargets: ReadonlySet<string>;
  /** Descriptors of Node's, of detached mounts, by the targets of binds whose source the container's process can't bind by its path. */
  readonly bound: ReadonlyMap<string, number>;
  /** Images that are mounted, by the targets of their mounts. */
  readonly images: ReadonlyMap<string, RootRecipe>;
  /** Folders that the image or the caller declares as volumes without a name, and that nothing else is mounted on: absolute, parents first. They may lie in the caller's mounts. */
  readonly volumes: readonly string[];
  /** What every container gets mounted and hidden, without asking for it. */
  readonly table: MountTable;
  /** A descriptor of /proc as it is in the pid namespace that is joined, where the plan can't make that /proc itself. */
  readonly proc: number | null;
  /** The signal that asks the program to end. */
  readonly stopSignal: number;
  /** `null`: nobody keeps watch on the program's health. */
  readonly health: HealthCheck | null;
  /** Host steps that remove the record of what is made on disk. */
  readonly journal: readonly Step[];
  /** The process waits before execve until it is released. */
  readonly park: boolean;
}
