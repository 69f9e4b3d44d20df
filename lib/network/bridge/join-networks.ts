import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { oneOf, toError, withCleanupError } from '../../errors.js';
import { writeRecord } from '../../host/journal.js';
import { dropRecord } from '../../host/recorded.js';
import type { Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import type { Address, Cidr } from '../address.js';
import { type AddressLease, leaseAddress } from './address-lease.js';
import { hostEndName, macOf } from './host-end.js';
import { keepBridge } from './kept-bridge.js';
import { leaveSteps, useOf, useRecord, useStep } from './network-folder.js';
import { gatewaysOf } from './network-settings.js';

/** A network that a container is to be on. */
export interface WantedNetwork {
  readonly name: string;
  readonly ip: Address | null;
  /** Where the address is among the caller's options: 'ip', 'network[0].ip'. */
  readonly ipOption: string;
  readonly mac: Uint8Array | null;
  /** `null`: eth0 for the first, eth1 for the next. */
  readonly interfaceName: string | null;
}

/** A link of a container to a bridge: all that is needed to make it, and nothing to be looked up. */
export interface Attachment {
  readonly network: string;
  /** The end in the container. */
  readonly interface: string;
  /** Its number in the container's network namespace, which has no other links yet but the kernel's first ones. */
  readonly index: number;
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly addresses: readonly Cidr[];
  /** The gateways of the container's default routes that go through this link. */
  readonly gateways: readonly Address[];
  /** The bridge's port. Its number, and its link group, are one, which nobody else has. */
  readonly port: { readonly name: string; readonly index: number };
  /** The bridge's number. */
  readonly bridge: number;
}

/** The networks of a container that is about to be made. */
export interface JoinedNetworks {
  readonly attachments: readonly Attachment[];
  /** The kernel has IPv6. */
  readonly hasIpv6: boolean;
  /** Host steps that make the container's uses. */
  readonly prepare: readonly Step[];
  /** Host steps that end the container's uses: its task's last ones. */
  undo(slots: Slots): Step[];
  /** The task has these steps now, and whoever reaps the record of them. */
  handOver(): void;
  /** Lets the bridges go, and ends the uses unless they were handed over. Once or more often. */
  release(): void;
}

/** Numbers of a container's links begin here: the kernel's own first ones (lo, and of some modules) have small numbers. */
const FIRST_INDEX = 100;
/** Ports have numbers from here, so that neither the kernel nor the administrator gives another link one of them. */
const FIRST_PORT = 2 ** 30;

interface Joining {
  /** The container's. */
  readonly id: string;
  /** The shim that makes and ends it. */
  readonly owner: string;
}

/**
 * Takes addresses for a container, and has the bridges made where they are not there.
 *
 * @param shared networks of a container whose network namespace this one joins: they stay with it
 * @throws as `keepBridge` and `leaseAddress`
 */
export async function joinNetworks(wanted: readonly WantedNetwork[], shared: readonly string[], of: Joining): Promise<JoinedNetworks> {
  const kept: (() => void)[] = [];
  const uses: Omit<AddressLease, 'addresses'>[] = [];
  const attachments: Attachment[] = [];
  let isHandedOver = false;
  const release = (): void => {
    const failures: Error[] = [];
    for (const letGo of [...uses.splice(0).map((use) => () => use.release(isHandedOver)), ...kept.splice(0)]) {
      try {
        letGo();
      } catch (error) {
        failures.push(toError(error));
      }
    }
    const failure = oneOf(failures);
    if (failure) throw failure;
  };
  try {
    for (const [place, network] of wanted.entries()) {
      const bridge = await keepBridge(network.name);
      kept.push(bridge.release);
      const lease = leaseAddress(network.name, bridge.record, {
        ...of,
        keeper: bridge.keeper,
        ip: network.ip,
        option: network.ipOption,
        place,
      });
      uses.push(lease);
      attachments.push(attachmentOf(network, place, { bridge, addresses: lease.addresses, before: attachments }));
    }
    for (const [place, name] of shared.entries()) {
      kept.push((await keepBridge(name)).release);
      uses.push(shareBridge(name, place, of));
    }
  } catch (error) {
    try {
      release();
    } catch (failure) {
      throw withCleanupError(error, toError(failure));
    }
    throw error;
  }
  const all = [...uses];
  return {
    attachments,
    hasIpv6: attachments.length > 0 && existsSync('/proc/sys/net/ipv6'),
    prepare: all.flatMap((use) => use.prepare),
    undo: (slots) => all.flatMap((use) => use.undo(slots)),
    handOver() {
      isHandedOver = true;
    },
    release,
  };
}

function attachmentOf(
  { name, mac, interfaceName }: WantedNetwork,
  place: number,
  {
    bridge: { index, mtu, record },
    addresses,
    before,
  }: { bridge: Awaited<ReturnType<typeof keepBridge>>; addresses: readonly Cidr[]; before: readonly Attachment[] },
): Attachment {
  const [first] = addresses;
  if (!first) throw new Error('a lease has an address of each subnet');
  const hasRoute = ({ family }: Address): boolean => before.some(({ gateways }) => gateways.some((gateway) => gateway.family === family));
  return {
    network: name,
    interface: interfaceName ?? `eth${place}`,
    index: FIRST_INDEX + place,
    mac: mac ?? macOf(first),
    mtu,
    addresses,
    gateways: record.internal ? [] : gatewaysOf(record).filter((gateway) => !hasRoute(gateway)),
    port: { name: hostEndName(first), index: randomInt(FIRST_PORT, 2 ** 31 - 1) },
    bridge: index,
  };
}

/** Keeps a bridge while the container lives, without an address of its own. */
function shareBridge(name: string, place: number, { id, owner }: Joining): Omit<AddressLease, 'addresses'> {
  const use = useOf(name, `${id}-${place}`);
  const forget = writeRecord(owner, `${id}-network-${place}`, [useRecord(use)]);
  return {
    prepare: [useStep(use)],
    undo: (slots) => [...leaveSteps(use, slots), ...forget],
    release(isHandedOver) {
      if (!isHandedOver) dropRecord(forget);
    },
  };
}
