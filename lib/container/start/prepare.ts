import { hostname as hostHostname } from 'node:os';
import { freezerFile } from '../../cgroup/freezer.js';
import { controllersOf } from '../../cgroup/limits/limit-writes.js';
import { type GroupLayout, groupLayout } from '../../host/cgroup-base.js';
import type { IdLease } from '../../host/id-ranges.js';
import type { HostRecord } from '../../host/journal.js';
import { owner } from '../../host/owner.js';
import { privilege } from '../../host/privilege.js';
import { layoutWithLimits } from '../../host/scope-layout.js';
import type { Image } from '../../image/image.js';
import type { Shim } from '../../native/shim.js';
import type { JoinedNetworks } from '../../network/bridge/join-networks.js';
import { releaseAll } from '../../network/bridge/parts.js';
import type { ParsedLimits } from '../../options/limits.js';
import { type HealthCheck, Slots } from '../../plan/plan.js';
import { resolveCapabilities } from '../../security/capabilities.js';
import type { ParsedOptions } from '../options/container-options.js';
import { healthOf, type ParsedHealth } from '../options/healthcheck.js';
import { toldOfProfile } from '../options/profiles.js';
import type { ReadSeccomp } from '../options/seccomp-option.js';
import { defaultMounts } from '../plan/default-mounts.js';
import { mayBeRefused } from '../plan/device-nodes.js';
import { planHealth } from '../plan/health-plan.js';
import type { MountTable } from '../plan/mount-table.js';
import { namespacesToJoin } from '../plan/namespace-steps.js';
import type { ExtraDevice, PlanInput } from '../plan/plan-input.js';
import { mapsIn } from '../plan/userns-ids.js';
import { anonymousVolumes } from './anonymous-volumes.js';
import {
  basesOf,
  cpuClockOf,
  type NotEnforced,
  type PlannedGroup,
  planContainerGroup,
  requireDeviceController,
} from './container-group.js';
import { type ContainerNetworks, networksFor, networksLater } from './container-networks.js';
import { type ContainerUsers, heldBy, usersFor } from './container-users.js';
import { emptyEtcFiles, etcFiles } from './etc-files.js';
import { planExecGroup } from './exec-group.js';
import { type FoundRoot, findRoot } from './found-root.js';
import { copiedFolders, fileTargets, findDevice } from './host-paths.js';
import { mappedPaths } from './idmap-support.js';
import { joinedProc } from './joined-proc.js';
import { closing, findSources } from './mount-sources.js';
import { argvOf, entrypointOf, imageVolumes, programOf, stopSignalOf } from './program-facts.js';
import { procOf } from './seen-proc.js';
import { systemCallFilter } from './system-call-filter.js';

/**
 * What a plan needs beside the program's streams. Preparing it reads the host, and makes nothing on it but an image's layers in the store.
 */
export type Prepared = Omit<PlanInput, 'streams' | 'park' | 'journal'> & {
  readonly networks: JoinedNetworks;
  /** The limits that can be kept. */
  readonly limits: ParsedLimits;
  readonly notEnforced: NotEnforced;
  /** Where groups are made, by the mount points of their hierarchies. */
  readonly bases: Readonly<Record<string, string>>;
  /** Records of the container's group, for the journal. */
  readonly records: readonly HostRecord[];
  /** What the filter of system calls was made of. */
  readonly seccomp: ReadSeccomp;
  /** The filter has an action that ends a process by SIGSYS. */
  readonly filterKills: boolean;
  /** With which `argv` begins. */
  readonly entrypoint: readonly string[];
  readonly healthcheck: ParsedHealth | null;
  /** `null` for a root that is a folder, which the program writes to itself. */
  readonly image: Image | null;
  /** Who makes it. */
  readonly shim: Shim;
  /** What must stay in the store as long as the container: layers, and descriptors that keep volumes. */
  readonly digests: readonly string[];
  readonly locks: readonly number[];
  /** The ids that only this container has; `null` where nobody gives it some. */
  readonly lease: IdLease | null;
  /** Releases the image's layers; to be called when the container's mounts are gone, or were never made. */
  readonly release: () => void;
};

/** For which container something is prepared. */
export interface PrepareFor {
  readonly id: string;
  /** The program waits before execve, and other programs may join it. */
  readonly park: boolean;
  /** Who makes it. */
  readonly shim: Shim;
  /** Where the shim of a detached container makes groups, which is their owner from the start. */
  readonly layout?: GroupLayout;
  /** Its networks are joined by its run: nothing is taken of them. Default: no. */
  readonly joinsLater?: boolean;
}

export async function prepare(options: ParsedOptions, of: PrepareFor): Promise<Prepared> {
  try {
    return await prepareAll(options, of);
  } catch (error) {
    throw toldOfProfile(error, options.profile);
  }
}

async function prepareAll(options: ParsedOptions, of: PrepareFor): Promise<Prepared> {
  const held: (() => void)[] = [];
  const release = (): void => {
    const parts = held.splice(0).reverse();
    releaseAll(
      parts.map((letGo) => ({ release: letGo })),
      false,
    );
  };
  try {
    const found = await findRoot(options, of);
    held.push(found.release);
    const sources = await findSources(options, found.root);
    held.push(sources.release);
    const users = await usersFor(options, of, mappedPaths(found.root, sources));
    held.push(users.release);
    const joining = { id: of.id, owner: of.shim.owner, users: users.plan, park: of.park };
    const networks = await (of.joinsLater ? networksLater : networksFor)(options, joining);
    held.push(networks.release);
    const { images, bound, locks } = sources;
    const { namespace } = networks;
    const namespaces = namespace === null ? options.namespaces : { ...options.namespaces, net: { fd: namespace } };
    const prepared = await prepareOn(found, { ...options, namespaces, mounts: sources.mounts }, { ...of, users, networks });
    const { pid } = options.namespaces;
    const proc = typeof pid === 'string' ? null : await joinedProc(pid.fd);
    if (proc !== null) held.push(closing(proc));
    return { ...prepared, images, bound, proc, locks, digests: [...found.digests, ...sources.digests], release };
  } catch (error) {
    release();
    throw error;
  }
}

/** What `prepareAll` adds: all that is held for the container. */
type Held = 'images' | 'bound' | 'proc' | 'locks' | 'digests' | 'release';

async function prepareOn(
  { root, config, image }: FoundRoot,
  options: ParsedOptions,
  { id, park, users, networks, shim, layout }: PrepareFor & { readonly users: ContainerUsers; readonly networks: ContainerNetworks },
): Promise<Omit<Prepared, Held>> {
  const argv = argvOf(options, config);
  const stopSignal = stopSignalOf(config);
  const capabilities = resolveCapabilities({ capAdd: options.capAdd, capDrop: options.capDrop, held: heldBy(users) });
  const told = options.onDenied !== null;
  const { seccomp, filterKills, ...filtered } = await systemCallFilter(options.seccomp, { capabilities, told });
  const devices = options.devices.map(findDevice);
  const slots = new Slots();
  const ownHostname = options.namespaces.uts === 'new';
  const hostname = options.hostname ?? (ownHostname ? id.slice(0, 12) : hostHostname());
  const { bases, group, limits, notEnforced, records } = await groupOf(options, { id, slots, park, shim, layout }, devices);
  // in a user namespace nobody can make a device, whatever capability a program has there
  requireDeviceController(group, { capabilities: users.plan.kind === 'none' ? capabilities : 0n, devices });
  const clock = cpuClockOf(options, group);
  const seenProc = await procOf(options, users.plan);
  const files = networks.joinsLater ? emptyEtcFiles(hostname) : etcFiles(options, { hostname, ...networks });
  const prepared: Omit<Prepared, Held> = {
    id,
    options,
    slots,
    root,
    argv,
    entrypoint: entrypointOf(options, config),
    program: { capabilities, ...programOf(options, config, { hostname, users: users.plan }), ...filtered },
    hostname,
    group,
    userns: users.plan,
    networks,
    shim,
    bases,
    cpuClock: clock.cpuClock,
    seccomp,
    filterKills,
    devices: privilege().kind === 'root' ? devices : [],
    lease: users.lease,
    fileTargets: fileTargets(options),
    copiedFolders: copiedFolders(options),
    volumes: anonymousVolumes([...imageVolumes(options, config), ...options.anonymousVolumes], options.mounts),
    table: tableOf(options, { ownProc: seenProc.isOwn, files, userns: users.plan }),
    stopSignal,
    health: null,
    healthcheck: healthOf(options.healthcheck, config.healthcheck),
    limits,
    notEnforced: [...notEnforced, ...clock.notEnforced, ...seenProc.notEnforced],
    records,
    image,
  };
  const { healthcheck: health } = prepared;
  return health === null ? prepared : { ...prepared, health: await planHealthOf(health, prepared) };
}

function tableOf(options: ParsedOptions, facts: Pick<Parameters<typeof defaultMounts>[0], 'ownProc' | 'files' | 'userns'>): MountTable {
  // nobody but root may make nodes
  const devices = privilege().kind === 'root' ? [] : options.devices.map(({ path: source, target }) => ({ source, path: target }));
  return defaultMounts({ options, unified: groupLayout().mode === 'v2', devices, ...facts });
}

/** Where the groups of a container are made, and how. */
async function groupOf(
  options: ParsedOptions,
  { id, slots, park, shim, layout }: Pick<PrepareFor, 'id' | 'park' | 'shim'> & { slots: Slots; layout: GroupLayout | undefined },
  devices: readonly ExtraDevice[],
): Promise<PlannedGroup & Pick<Prepared, 'bases'>> {
  const own = layout ?? (needsGroup(options) ? await layoutWithLimits(shim) : groupLayout());
  const planned = await planContainerGroup(options, {
    slots,
    id,
    layout: own,
    owner: layout === undefined ? await owner(own, shim) : shim.owner,
    devices,
    park,
    isRun: !park,
    isOptional: privilege().kind === 'user' && options.namespaces.pid === 'new',
  });
  return { bases: basesOf(own), ...planned };
}

/** Whether an option holds only in a group: a limit, or processor time that is counted for a tree. */
function needsGroup({ limits, process: { cpuTimeLimit } }: ParsedOptions): boolean {
  return controllersOf(limits, groupLayout()).length > 0 || cpuTimeLimit !== null;
}

async function planHealthOf(
  health: ParsedHealth,
  { group, bases, program, options, userns }: Pick<Prepared, 'group' | 'bases' | 'program' | 'options' | 'userns'>,
): Promise<HealthCheck> {
  const slots = new Slots();
  return planHealth({
    health,
    slots,
    group: await planExecGroup({ slots, id: 'health', container: group.name, bases, limits: {}, countsCpu: false }),
    program,
    namespaces: namespacesToJoin(options, userns),
    userns: mapsIn(userns),
    nullByShim: mayBeRefused(options),
    frozen: freezerFile(group.paths) ?? '',
  });
}
