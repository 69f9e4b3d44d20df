import { invalidOption, toError, withCleanupError } from '../../errors.js';
import { hasIpv6 } from '../../host/ipv6.js';
import type { Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import { hostOf } from '../address.js';
import type { CniDns } from '../cni/cni-result.js';
import { networksNamespace } from '../holder/networks-place.js';
import { KEYS, kept, keptFrom, MOST_PLACES } from '../live/kept-steps.js';
import { type LinksRecord, linkRecord } from '../live/links-record.js';
import { type JoinedNames, joinNames, type NamesService } from '../names/join-names.js';
import { type AskedPort, type JoinedPorts, joinPorts } from '../ports/join-ports.js';
import type { PortsRecord } from '../ports/port-record.js';
import { type GuardedPort, guardedPort } from '../rules/guarded-port.js';
import { type Attachment, attach, isMadeHere, type JoiningContainer, share, type WantedNetwork } from './attach-network.js';
import { attachPlugins, dnsOf } from './attach-plugins.js';
import type { KeptBridge } from './kept-bridge.js';
import { isPluginNetwork } from './network-file.js';
import { bridgeOf } from './network-folder.js';
import { Parts, releaseAll, type TaskSteps } from './parts.js';

/** The networks of a container that is about to be made. */
export interface JoinedNetworks {
  readonly attachments: readonly Attachment[];
  /** How it gets into those that are not made by plugins: the same objects for all that are on the same bridges. */
  readonly ways: readonly KeptBridge['way'][];
  /** What it may send: its own bridge ports, or those of the container whose network it shares. */
  readonly guarded: readonly GuardedPort[];
  /** The kernel has IPv6. */
  readonly hasIpv6: boolean;
  /** What it may ask about names; `null` where it asks others. */
  readonly names: NamesService | null;
  /** What plugins of CNI say of names. */
  readonly dns: CniDns;
  /** It can join and leave networks later. */
  readonly canChange: boolean;
  /** What of them can change while the container lives, to be asked after `steps`; `null`: nothing can. */
  links(): LinksRecord | null;
  /** What this process has of each of its networks, by their names. */
  readonly parts: ReadonlyMap<string, Parts>;
  /** The path of pasta(1), for a container that has it in place of networks. */
  readonly pasta: string | null;
  /** Host steps that make the container's uses, and those that end them: its task's last ones. */
  steps(slots: Slots): Required<TaskSteps>;
  /** `null` where it has no link to a network. */
  readonly ports: Pick<JoinedPorts, 'record' | 'begun'> | null;
  /** The task has these steps now, and whoever reaps the record of them. */
  handOver(): void;
  /** Waits for what must be there before the container is: to be called before its plan is sent. @throws SyscallError */
  ready(): Promise<void>;
  /** Notes where others find what a task of the container's own has, which has begun with the steps. @throws SyscallError */
  note(): Promise<void>;
  /** Lets the bridges go, and ends the uses unless they were handed over. Once or more often. */
  release(): void;
}

interface Joining extends JoiningContainer {
  /** The container asks us about names. */
  readonly asksNames: boolean;
  /** It can join and leave networks later. */
  readonly canChange: boolean;
  /** It is run, and nobody gets it who could have it join a network. */
  readonly isRun: boolean;
  readonly ports: readonly AskedPort[];
  /** Of the container whose network it shares. */
  readonly guarded: readonly GuardedPort[];
  /** Name servers that it asks instead. */
  readonly dns: readonly string[];
  /** Its network namespace, by a descriptor that is closed in time, where that is made before it: for plugins of CNI. */
  readonly namespace: number | null;
  /** The path of pasta(1); `null`: it has networks, or none. */
  readonly pasta: string | null;
}

/**
 * Takes addresses for a container, and has the bridges made where they are not there.
 *
 * @param shared networks of a container whose network namespace this one joins: they stay with it
 * @throws as `keepBridge`, `leaseFreeAddress`, `attachPlugins` and `joinPorts`; the signal's reason
 */
export async function joinNetworks(wanted: readonly WantedNetwork[], shared: readonly string[], of: Joining): Promise<JoinedNetworks> {
  const parts = new Parts();
  const own = new Map<string, Parts>();
  let isHandedOver = false;
  const release = (): void => releaseAll([parts, ...[...own.values()].reverse()], isHandedOver);
  try {
    const plugin = of.isConfined ? wanted.find(({ name }) => isPluginNetwork(name)) : undefined;
    if (plugin) {
      throw invalidOption(
        'egress',
        `can't go with the network ${plugin.name}, which plugins of CNI make: what they do with packets is theirs to say`,
      );
    }
    const attached = await attachAll(wanted, shared, { of, parts, own });
    const { attachments, ways, plugged, targets, leadsOut } = attached;
    // plugins know of no links that come and go
    const canChange = of.canChange && plugged.size === 0;
    const dns = dnsOf(plugged.values());
    const asksNames = of.asksNames && dns.nameservers.length === 0;
    const asked = plugged.size > 0 && plugged.size === wanted.length ? [] : of.ports;
    const ports = wanted.length > 0 ? parts.add(await joinPorts(asked, { owner: of.owner, targets })) : null;
    const hasPasta = of.pasta !== null;
    const isOnAny = wanted.length + shared.length > 0 || hasPasta;
    const names = isOnAny
      ? namesFor(attachments, shared, { ...of, asksNames, forwards: leadsOut || hasPasta, isGuided: of.isConfined })
      : null;
    if (names !== null) parts.add(names);
    return {
      attachments,
      ways,
      guarded: [...attachments.flatMap(guardedIn), ...of.guarded],
      names: names?.service ?? null,
      dns,
      pasta: of.pasta,
      hasIpv6: (attachments.length > 0 || hasPasta) && hasIpv6(),
      parts: own,
      canChange,
      ports,
      handOver() {
        isHandedOver = true;
      },
      async note() {
        for (const held of [...own.values(), parts]) await held.note();
      },
      async ready() {
        for (const held of [...own.values(), parts]) await held.ready();
      },
      release,
      ...stepsOf(attached, { of: { ...of, canChange }, parts, own }),
    };
  } catch (error) {
    try {
      release();
    } catch (failure) {
      throw withCleanupError(error, toError(failure));
    }
    throw error;
  }
}

/** For whom networks are joined, and what this process has of them: of its own networks by their names, and of all else. */
interface JoiningParts {
  readonly of: Joining;
  readonly parts: Parts;
  readonly own: Map<string, Parts>;
}

/** The links of a container to its networks. */
interface Attached {
  /** In the order in which the networks are wanted. */
  readonly attachments: readonly Attachment[];
  readonly ways: JoinedNetworks['ways'];
  /** Those that plugins of CNI have made, by their places. */
  readonly plugged: Awaited<ReturnType<typeof attachPlugins>>;
  /** Those to internal networks. */
  readonly internal: ReadonlySet<Attachment>;
  /** Where packets to published ports may go. */
  readonly targets: PortsRecord['targets'];
  /** One of the networks is not internal. */
  readonly leadsOut: boolean;
}

async function attachAll(wanted: readonly WantedNetwork[], shared: readonly string[], { of, parts, own }: JoiningParts): Promise<Attached> {
  const plugged = await attachPlugins(wanted, parts, of);
  const placed = new Map<number, Attachment>(plugged);
  const ways: KeptBridge['way'][] = [];
  const internal = new Set<Attachment>();
  const targets: PortsRecord['targets'][number][] = [];
  let leadsOut = plugged.size > 0;
  for (const [place, network] of wanted.entries()) {
    if (plugged.has(place)) continue;
    const held = new Parts();
    own.set(network.name, held);
    const { attachment, isInternal, way } = await attach(network, held, { ...of, place });
    placed.set(place, attachment);
    ways.push(way);
    leadsOut ||= !isInternal;
    if (isInternal) internal.add(attachment);
    else targets.push(...targetsOf(attachment));
  }
  for (const [place, name] of shared.entries()) {
    const { record } = await share(name, parts, { ...of, place, ports: of.guarded });
    leadsOut ||= !record.internal;
  }
  return { attachments: wanted.flatMap((_, place) => placed.get(place) ?? []), ways, plugged, internal, targets, leadsOut };
}

/** What a container's task does for its networks, and what of these can change afterwards. */
function stepsOf({ attachments, internal }: Attached, { of, parts, own }: JoiningParts): Pick<JoinedNetworks, 'steps' | 'links'> {
  const keepsSteps = of.canChange && !of.isRun;
  let leave: (readonly Step[])[] = [];
  return {
    steps(slots) {
      const each = [...own.values()].map((held) => held.steps(slots));
      leave = each.map(({ undo }) => undo);
      const others = parts.steps(slots);
      return {
        prepare: [...each.flatMap(({ prepare }) => prepare), ...others.prepare],
        undo: keepsSteps ? changeableEnd(leave, others.undo) : [...others.undo, ...leave.toReversed().flat()],
        returns: [...each.flatMap(({ returns }) => returns), ...others.returns],
      };
    },
    links() {
      if (!keepsSteps) return null;
      const list = attachments.filter(isMadeHere).map((one, place) => {
        const border = own.get(one.network)?.border() ?? null;
        return linkRecord(one, { place, isInternal: internal.has(one), leave: leave[place] ?? [], border });
      });
      return linksOf(list, of);
    },
  };
}

export function guardedIn(attachment: Attachment): GuardedPort[] {
  return 'bridge' in attachment ? [guardedPort(attachment.network, { ...attachment, ...attachment.port })] : [];
}

/** The last steps of a container whose networks can change: what it has joined later goes first. */
function changeableEnd(leave: readonly (readonly Step[])[], others: readonly Step[]): Step[] {
  const isFirst = leave.length === 0;
  return [
    ...(isFirst ? [kept(KEYS.endNames, []), kept(KEYS.endPorts, [])] : []),
    ...others,
    keptFrom(KEYS.leave(leave.length), KEYS.leave(MOST_PLACES - 1)),
    ...leave.map((steps, place) => kept(KEYS.leave(place), steps)).reverse(),
  ];
}

function linksOf(list: LinksRecord['list'], { hostname, asksNames, isConfined }: Joining): LinksRecord {
  const namespace = networksNamespace();
  return { namespace, hostname, asksNames, isGuided: isConfined, isMember: list.length > 0, hasIpv6: hasIpv6(), list };
}

/** Where packets to its published ports may go: through a bridge, for what goes to another link is not this machine's to lead. */
export function targetsOf(attachment: Attachment): PortsRecord['targets'] {
  if (!('bridge' in attachment)) return [];
  return attachment.addresses.map(({ family, text }) => ({ family, address: hostOf(text) }));
}

/** Networks of one name in two stores are two for who is asked about names, as their bridges are. */
function namesFor(
  attachments: readonly Attachment[],
  shared: readonly string[],
  of: Joining & { readonly forwards: boolean; readonly isGuided: boolean },
): JoinedNames {
  const places = attachments.map((place) => ({ ...place, network: bridgeOf(place.network).name }));
  const others = shared.map((name) => bridgeOf(name).name);
  return joinNames(places, others, { ...of, namespace: networksNamespace(), keepsBridge: attachments.some(isMadeHere) });
}
