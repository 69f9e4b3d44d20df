import { randomBytes, randomInt } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { hasCode, invalidOption, NacelleError } from '../errors.js';
import { recordedNamespace, writeRecord } from '../host/journal.js';
import { networkNamespaceOf } from '../host/locate.js';
import { reapFirst } from '../host/reap.js';
import { withRecord } from '../host/recorded.js';
import { asyncDispose } from '../native/async-dispose.js';
import { type Holding, release, undone } from '../native/host-work.js';
import { ownerName, start } from '../native/shim.js';
import { systemError } from '../native/system-errors.js';
import type { Task } from '../native/task.js';
import { NONE, Slots } from '../plan/plan.js';
import type { Slot } from '../plan/steps.js';
import type { LinkStats } from '../process/options/process-types.js';
import { inTurn, requireFree } from './conflict.js';
import { type Link, type LinkInfo, parseAddresses, parseLink } from './link.js';
import { FIRST_OWN_NUMBER } from './link-numbers.js';
import { deleteLink } from './rtnetlink.js';
import { type NetworkNamespace, type NetworkOwner, parseVethOptions, type VethOptions, type VethSettings } from './veth-options.js';
import { configureSteps, lookUpSteps, makeSteps, openSteps, type PairSlots, pairPlan, request, statsSteps } from './veth-plan.js';

const HERE = { where: "this end's namespace" };
const THERE = { where: "the peer's namespace" };

/** A pair that was made: what is needed to ask for it and to remove it. */
interface Made {
  readonly task: Task;
  readonly socket: Slot;
  readonly host: Link;
  readonly peer: Link;
  /** The peer's network namespace as this end's numbers it. */
  readonly namespaceId: number | null;
  readonly persist: boolean;
}

/**
 * Two ends of a virtual cable (veth(4)), each in a network namespace: what one sends the other receives.
 *
 * Made over rtnetlink(7) by the shim; the ends are made straight in their namespaces and never visible elsewhere.
 * A pair goes when it is removed, when a namespace of its ends goes, and, unless `persist`, when its owner ends.
 */
export class VethPair implements AsyncDisposable {
  readonly #made: Made;
  #removed: Promise<void> | undefined;
  /** This end. */
  readonly host: Link;
  /** The other end. */
  readonly peer: Link;

  private constructor(made: Made) {
    this.#made = made;
    this.host = made.host;
    this.peer = made.peer;
  }

  /**
   * Makes a pair with its addresses and routes, and brings both ends up.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`: nothing was made; `EADDRINUSE`: another link has one of the addresses
   * @throws SyscallError the kernel refused, with its own words in the message; what was made is removed again
   */
  static async create(options: VethOptions): Promise<VethPair> {
    const settings = parseVethOptions(options);
    const namespace = await openPeer(settings.peer);
    try {
      return new VethPair(await inTurn(() => make(settings, namespace.fd)));
    } finally {
      await namespace.close();
    }
  }

  /**
   * What both ends have sent and received.
   *
   * @throws NacelleError `ERR_CLOSED` after `remove`; SyscallError `ENODEV` when the pair went with a namespace
   */
  async stats(): Promise<{ host: LinkStats; peer: LinkStats }> {
    if (this.#removed) throw new NacelleError(`the veth pair of ${this.host.name} is removed`, { code: 'ERR_CLOSED' });
    const { task, socket, namespaceId } = this.#made;
    const { outputs } = await task.call(statsSteps(socket, this.host, { ...this.peer, namespaceId }));
    return { host: statsOf(outputs[0]), peer: statsOf(outputs[1]) };
  }

  /** Removes both ends. A pair that went by itself is no error. */
  remove(): Promise<void> {
    this.#removed ??= release([holdingOf(this.#made)]);
    return this.#removed;
  }

  [asyncDispose](): Promise<void> {
    return this.remove();
  }
}

async function make(settings: VethSettings, peerNamespace: number): Promise<Made> {
  const { persist } = settings;
  const end = { name: settings.name ?? uniqueName(), mac: settings.mac, mtu: settings.mtu };
  const peer = { name: settings.peerName ?? uniqueName(), mac: settings.peerMac, mtu: settings.mtu };
  const group = randomInt(FIRST_OWN_NUMBER, 2 ** 31 - 1);

  const slots = new Slots();
  const pair: PairSlots = {
    namespace: settings.namespace ? slots.give(settings.namespace.fd) : NONE,
    peerNamespace: slots.give(peerNamespace),
    socket: slots.take(),
    peerSocket: slots.take(),
  };
  await reapFirst();
  const namespace = networkNamespaceOf(settings.namespace?.fd);
  const forget = writeRecord(ownerName(), `veth-${group}`, [{ kind: 'links', group, ...recordedNamespace(namespace) }]);
  const task = await withRecord(forget, () => start(pairPlan(pair.socket, group, forget), slots.descriptors));
  try {
    const { master, here, there } = await openSockets(task, pair, settings.bridge);
    requireFree(settings.address, parseAddresses(here), HERE);
    requireFree(settings.peerAddress, parseAddresses(there), THERE);
    await task.call(makeSteps(pair, { ...end, group, master }, peer));
    const { outputs } = await task.call(lookUpSteps(pair, end.name, peer.name));
    const hostLink = parseLink(given(outputs[0]));
    const peerLink = parseLink(given(outputs[1]));
    const configured = await task.call(
      configureSteps(
        pair,
        { name: end.name, index: hostLink.index, addresses: settings.address },
        { name: peer.name, index: peerLink.index, addresses: settings.peerAddress },
        { gateway: settings.gateway, persist, forget },
      ),
    );
    const lists = configured.outputs.slice(settings.address.length + settings.peerAddress.length);
    // another process may have added the same address meanwhile
    requireFree(settings.address, parseAddresses(given(lists[0])), { ...HERE, own: hostLink.index });
    requireFree(settings.peerAddress, parseAddresses(given(lists[1])), { ...THERE, own: peerLink.index });
    return {
      task,
      socket: pair.socket,
      host: describe(hostLink, lists[0]),
      peer: describe(peerLink, lists[1]),
      namespaceId: hostLink.peerNamespaceId,
      persist,
    };
  } catch (error) {
    throw await undone([{ task, removal: [] }], error);
  }
}

/** A descriptor of the peer's network namespace; closing it leaves the caller's own open. */
async function openPeer(peer: VethSettings['peer']): Promise<{ fd: number; close(): Promise<void> }> {
  if (typeof peer === 'number') return openProcess(peer);
  return isOwner(peer) ? peer.namespace('net') : { fd: peer.fd, close: async () => {} };
}

async function openProcess(pid: number): Promise<FileHandle> {
  try {
    return await open(`/proc/${pid}/ns/net`);
  } catch (error) {
    // a lack of descriptors in this process says nothing of the other one
    if (isOutOfDescriptors(error)) throw systemError(`open the network namespace of process ${pid}`, error);
    throw invalidOption('peer', `the network namespace of process ${pid} cannot be opened`, error);
  }
}

function isOwner(peer: NetworkNamespace | NetworkOwner): peer is NetworkOwner {
  return 'namespace' in peer;
}

/** A name of 12 bytes; a link's name has at most 15. */
function uniqueName(): string {
  return `veth${randomBytes(4).toString('hex')}`;
}

/** The bridge's index, and the addresses that are in both namespaces. */
async function openSockets(task: Task, pair: PairSlots, bridge: string | undefined) {
  try {
    const { outputs } = await task.call(openSteps(pair, bridge));
    const master = bridge === undefined ? undefined : bridgeIndex(parseLink(given(outputs[2])));
    return { master, here: given(outputs[0]), there: given(outputs[1]) };
  } catch (error) {
    if (bridge === undefined || !isMissing(error)) throw error;
    throw invalidOption('bridge', `there is no link ${bridge} in this end's namespace`, error);
  }
}

function bridgeIndex({ name, kind, index }: LinkInfo): number {
  if (kind !== 'bridge') throw invalidOption('bridge', `${name} is ${kind ?? 'another kind of link'}, not a bridge`);
  return index;
}

function describe({ name, index, mac, mtu }: LinkInfo, addresses: Uint8Array | undefined): Link {
  const own = parseAddresses(given(addresses)).filter((entry) => entry.index === index);
  return { name, index, mac, mtu, addresses: own.map(({ address }) => address) };
}

function statsOf(replies: Uint8Array | undefined): LinkStats {
  const { stats, name } = parseLink(given(replies));
  if (!stats) throw new NacelleError(`the kernel told no statistics of ${name}`, { code: 'ERR_NETLINK' });
  return stats;
}

function given(output: Uint8Array | undefined): Uint8Array {
  if (!output) throw new NacelleError('a netlink request has brought no answer', { code: 'ERR_NETLINK' });
  return output;
}

/** A pair as something to be released: the task's undo removes the pair, unless it is to persist. */
function holdingOf({ task, socket, host, persist }: Made): Holding {
  const removal = persist ? [request(socket, `remove the veth pair of ${host.name}`, deleteLink(host.index))] : [];
  return { task, removal, isGone: isMissing };
}

function isOutOfDescriptors(error: unknown): boolean {
  return hasCode(error, 'EMFILE', 'ENFILE');
}

function isMissing(error: unknown): boolean {
  return hasCode(error, 'ENODEV');
}
