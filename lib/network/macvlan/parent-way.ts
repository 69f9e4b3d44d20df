import { NacelleError } from '../../errors.js';
import type { Task } from '../../native/task.js';
import type { Slot } from '../../plan/steps.js';
import { bridgeOf } from '../bridge/network-folder.js';
import { type ChildRecord, hostAddressesOf } from '../bridge/network-settings.js';
import type { ChildKind } from './child-link.js';
import { makeHostLink } from './host-link.js';

/** The link by which a network reaches others. */
export interface LinkBelow {
  /** `null`: the routes say which one is used. */
  readonly index: number | null;
  readonly mac: Uint8Array | null;
  /** Bytes. */
  readonly mtu: number;
}

/** How containers get into a network by links that are children of one of this machine's. */
export interface ParentWay {
  /** The number of the parent. */
  readonly parent: number;
  readonly kind: ChildKind;
  /** The MAC address of all children, the parent's own; `null`: each has another. */
  readonly mac: Uint8Array | null;
  /** The number of this machine's own child, which has a route to each container; `null`: this machine and its containers don't reach each other. */
  readonly hostLink: number | null;
}

/** Makes this machine's own child of the parent, where the network has one that is not there. @throws as {@link makeHostLink} */
export async function parentWay(
  name: string,
  record: ChildRecord,
  of: {
    readonly task: Task;
    readonly socket: Slot;
    readonly parent: LinkBelow;
    /** This machine's own child is there, and whole. */
    readonly isUp: boolean;
  },
): Promise<{ readonly mtu: number; readonly way: ParentWay }> {
  const { task, socket, parent, isUp } = of;
  if (parent.index === null || parent.mac === null)
    throw new NacelleError(`what is written down of the network ${name} has no parent`, { code: 'ERR_RECORD' });
  const mtu = record.mtu ?? parent.mtu;
  const link = bridgeOf(name);
  const addresses = hostAddressesOf(record);
  if (addresses.length > 0 && !isUp) {
    await makeHostLink(task, socket, link, { network: name, parent: parent.index, mtu, addresses });
  }
  const mac = record.driver === 'ipvlan' ? parent.mac : null;
  return { mtu, way: { parent: parent.index, kind: record, mac, hostLink: addresses.length > 0 ? link.index : null } };
}
