import type { GroupPlaces } from '../../cgroup/renamed-group.js';
import type { PlacedUsageFile } from '../../cgroup/stats/usage.js';
import { now } from '../../native/clock.js';
import { formatMac } from '../../network/address.js';
import type { Attachment } from '../../network/bridge/attach-network.js';
import type { LinksRecord } from '../../network/live/links-record.js';
import type { PublishedPort } from '../../network/ports/port-mapping.js';
import { type PortsRecord, told } from '../../network/ports/port-record.js';
import type { GuardedPort } from '../../network/rules/guarded-port.js';
import type { ParsedLimits } from '../../options/limits.js';
import type { Plan } from '../../plan/plan.js';
import type { Slot } from '../../plan/steps.js';
import type { UserMaps } from '../../plan/userns-maps.js';
import type { ParsedProcess } from '../../process/options/process-options.js';
import type { ResolvedOptions } from '../options/inspect-types.js';
import type { ParsedRestart } from '../options/lifecycle.js';
import { mayBeRefused } from '../plan/device-nodes.js';
import { namespacesToJoin } from '../plan/namespace-steps.js';
import type { ExtraDevice } from '../plan/plan-input.js';
import type { ProgramSpec } from '../plan/program-spec.js';
import { mapsIn } from '../plan/userns-ids.js';
import { type BundleFacts, bundleFacts } from './bundle-facts.js';
import type { NotEnforced } from './container-group.js';
import type { Prepared } from './prepare.js';
import { resolvedOptions } from './resolved-options.js';

/**
 * What a container is, as plain data that another process can read; what is open, runs or must be released is in {@link Held}. The program's
 * part holds its environment, so neither errors nor logs show it.
 */
export interface ContainerRecord {
  readonly id: string;
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** As it is executed, the image's part included. */
  readonly command: readonly string[];
  /** `null` for a root that is a folder, which the program writes to itself. */
  readonly image: { readonly reference: string | null; readonly digest: string } | null;
  /** ms since the epoch. */
  readonly createdAt: number;
  /** The limits that could be kept, as they are now. */
  readonly limits: ParsedLimits;
  readonly notEnforced: NotEnforced;
  /** Devices of the host that are in the container's /dev. */
  readonly devices: readonly ExtraDevice[];
  readonly group: {
    readonly name: string;
    /** Absolute folders by controller, and 'unified'. */
    readonly paths: Readonly<Record<string, string>>;
    readonly usage: readonly PlacedUsageFile[];
    /** The group below it in which the container's program is, by its name; `null` where that is the group itself. */
    readonly leaf: string | null;
    /** Where groups are made, by the mount points of their hierarchies: other processes may make theirs elsewhere. */
    readonly bases: Readonly<Record<string, string>>;
  };
  /** The caller's mounts, in their order, then volumes without a name. */
  readonly mounts: readonly {
    readonly type: string;
    /** Of a named volume. */
    readonly name: string | null;
    readonly source: string | null;
    readonly target: string;
    readonly readOnly: boolean;
  }[];
  /** Its links to networks. */
  readonly networks: readonly {
    readonly name: string;
    readonly interface: string;
    readonly mac: string;
    readonly addresses: readonly string[];
    readonly names: readonly string[];
    /** Ports that plugins of CNI lead to it. */
    readonly ports?: readonly PublishedPort[];
  }[];
  /** What of these links can change while it lives; `null`: nothing can, or an older version of this library made it. */
  readonly links: LinksRecord | null;
  /** What it has of published ports; `null` where it has no link to a network. */
  readonly ports: PortsRecord | null;
  /** The networks of the container whose network namespace it has joined: their links are that one's. */
  readonly sharedNetworks: readonly string[];
  /** What it may send by these links and its own. */
  readonly guarded: readonly GuardedPort[];
  /** What those are told who look at the container; `null` where an older version of this library made it. */
  readonly options: ResolvedOptions | null;
  /** What a bundle has of it beside; `null` under Landlock, and where an older version of this library made it. */
  readonly bundle: BundleFacts | null;
  /** How programs run in it. */
  readonly program: ProgramSpec;
  /** CLONE_NEW* of the namespaces that it does not share with the host. */
  readonly namespaces: { readonly flags: number; readonly entersPid: boolean };
  /** The maps of its own user namespace; `null` where its ids are the host's. */
  readonly userns: UserMaps | null;
  /** Its rules for devices may refuse a program the null device. */
  readonly mayRefuseNull: boolean;
  /** The program is process 1 of its pid namespace. */
  readonly processOne: boolean;
  /** The filter has an action that ends a process by SIGSYS. */
  readonly filterKills: boolean;
  readonly stopSignal: number;
  readonly restart: ParsedRestart | null;
  /** `restart()` can be called. */
  readonly isRestartable: boolean;
  /** Somebody keeps watch on its health. */
  readonly isChecked: boolean;
  readonly copyOut: readonly string[];
  /** Bytes. */
  readonly copyOutMax: number;
  /** What other processes need of it; `null` for a container that ends with this process. */
  readonly detached: DetachedRecord | null;
}

/** Where other processes find what a detached container has. Slots are those of its task. */
export interface DetachedRecord {
  /** The folder of its log; `null` for a program whose output goes nowhere. */
  readonly logs: string | null;
  /** Our end of its standard input: of the pipe, or the terminal's master. */
  readonly stdin: Slot | null;
  /** The master of its terminal; `null` for a program without one. */
  readonly terminal: Slot | null;
  /** Where, and as whom, files are read and written. */
  readonly inside: { readonly mountNamespace: Slot; readonly user: Slot };
  /** What holds the changes to its root. */
  readonly changes: {
    readonly mounts: readonly { readonly target: string; readonly lower: readonly string[]; readonly upper: Slot }[];
    readonly covered: readonly string[];
    readonly volumes: readonly string[];
    /** An older version has none. */
    readonly stubs?: readonly string[] | undefined;
  } | null;
  /** A slot that nothing in the plan uses, for calls. */
  readonly free: Slot;
  readonly autoRemove: boolean;
  readonly process: Pick<ParsedProcess, 'timeout' | 'cpuTimeLimit' | 'encoding' | 'buffer' | 'killSignal' | 'forceKillAfterDelay'>;
}

/** The names of the networks that a container is on. A record of an older version of this library may lack them. */
export function networkNames({
  networks = [],
  sharedNetworks = [],
}: {
  readonly networks?: readonly { readonly name: string }[];
  readonly sharedNetworks?: readonly string[];
}): string[] {
  return [...networks.map(({ name }) => name), ...sharedNetworks];
}

/** The ports of this machine that lead to a container: nacelle's own, and those of plugins of CNI. */
export function portsIn({ ports, networks }: Pick<ContainerRecord, 'ports' | 'networks'>): PublishedPort[] {
  return [...(ports?.list ?? []), ...networks.flatMap((network) => network.ports ?? [])].map(told);
}

/** The record as it is now: limits change while a container lives, and its end is judged by the last ones. */
export interface LiveRecord {
  current: ContainerRecord;
}

/** What a record follows from. Of the group it needs the places, and not the steps that make it. */
export type Recorded = Omit<Prepared, 'group' | 'slots' | 'cpuClock'> & { readonly group: GroupPlaces };

export function recordOf(prepared: Recorded, plan: Plan, detached: DetachedRecord | null = null): ContainerRecord {
  const { id, argv, program, image, options, limits, notEnforced, devices, group, filterKills, stopSignal } = prepared;
  return {
    id,
    name: options.name,
    labels: options.labels,
    command: argv,
    image: image === null ? null : { reference: image.reference, digest: image.digest },
    createdAt: now(),
    limits,
    notEnforced,
    devices,
    group: { name: group.name, paths: group.paths, usage: group.usage, leaf: group.leaf, bases: prepared.bases },
    mounts: [
      ...options.mounts.map(({ type, volume, source, target, flags }) => ({
        type: volume === undefined ? type : 'volume',
        name: volume ?? null,
        source,
        target,
        readOnly: flags.has('ro'),
      })),
      ...prepared.volumes.map((target) => ({ type: 'volume', name: null, source: null, target, readOnly: false })),
    ],
    networks: prepared.networks.attachments.map(networkRecord),
    links: prepared.networks.links(),
    ports: prepared.networks.ports?.record ?? null,
    sharedNetworks: options.sharedNetworks,
    guarded: prepared.networks.guarded,
    // at once, though few ask for them: with a getter of its own the record would be slow for V8, anew for each run
    options: resolvedOptions(prepared),
    bundle: bundleFacts(prepared),
    program,
    namespaces: namespacesToJoin(options, prepared.userns),
    userns: mapsIn(prepared.userns),
    mayRefuseNull: mayBeRefused(options),
    processOne: !options.init && options.namespaces.pid === 'new',
    filterKills,
    stopSignal,
    restart: options.restart,
    isRestartable: plan.again !== undefined,
    isChecked: plan.health !== undefined,
    copyOut: options.copyOut,
    copyOutMax: options.copyOutMax,
    detached,
  };
}

/** A link of a container as it is told. */
export function networkRecord(attachment: Attachment): ContainerRecord['networks'][number] {
  const { network, interface: link, mac, addresses, names } = attachment;
  const of = { name: network, interface: link, mac: formatMac(mac), addresses: addresses.map(({ text }) => text), names };
  return 'ports' in attachment ? { ...of, ports: attachment.ports } : of;
}
