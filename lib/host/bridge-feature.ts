import { hasCode, UnsupportedError } from '../errors.js';
import { carryOut } from '../native/host-work.js';
import { CLONE, NETLINK_NETFILTER } from '../plan/constants.js';
import { NONE, planOf, Slots } from '../plan/plan.js';
import type { Slot, Step } from '../plan/steps.js';
import { containerShim } from './container-shim.js';
import { type Feature, lacking, refused, works } from './feature.js';
import { type Privilege, privilege } from './privilege.js';

const REASON = "it reaches beyond this user's own network namespace, over which root alone has rights";
const FIX = 'Run it as root.';
const NO_RIGHT = 'Run it with CAP_NET_ADMIN in the user namespace that owns the network namespace.';
const NO_NFTABLES = 'Load the module of the kernel: modprobe nf_tables.';

/** NFT_MSG_GETGEN of the subsystem NFNL_SUBSYS_NFTABLES: it is answered by every kernel with nf_tables, and changes nothing. */
const GET_GENERATION = (10 << 8) | 16;
/** NLM_F_REQUEST and NLM_F_ACK. */
const ACKED = 0x5;

/**
 * Whether this user can have networks with bridges, whose rules need nf_tables. Those of an ordinary user are in a network namespace of the user's,
 * so one is made for that.
 */
export async function bridgeFeature(): Promise<Feature> {
  const slots = new Slots();
  const [ns, socket] = [slots.take(), slots.take()];
  const what = 'ask for nftables, which every network needs';
  const askIn = (at: Slot): Step[] => [
    { op: 'netlink_socket', host: true, out: socket, ns: at, protocol: NETLINK_NETFILTER },
    { op: 'netlink', host: true, socket, what, message: getGeneration(), patch: NONE, patch_offset: 0 },
  ];
  const inside: Step[] = [{ op: 'open_namespace', host: true, out: ns, type: 'net' }, ...askIn(ns), { op: 'park' }];
  const plan = planOf(privilege().kind === 'root' ? { prepare: askIn(NONE) } : { stages: [{ flags: CLONE.net, steps: inside }] });
  try {
    await carryOut(plan, slots.descriptors, await containerShim());
    return works;
  } catch (error) {
    const feature = refused(error);
    return { ...feature, fix: feature.fix ?? (hasCode(error, 'EPERM') ? NO_RIGHT : NO_NFTABLES) };
  }
}

/** struct nlmsghdr, and struct nfgenmsg, which is empty: any family, version 0. */
function getGeneration(): Uint8Array {
  const bytes = new Uint8Array(20);
  new Uint32Array(bytes.buffer, 0, 1).set([bytes.length]);
  new Uint16Array(bytes.buffer, 4, 2).set([GET_GENERATION, ACKED]);
  return bytes;
}

/** What needs rights over this machine's network, which an ordinary user has not; `null` for root. */
export function rootAlone(own: Privilege = privilege()): Feature | null {
  return own.kind === 'root' ? null : lacking(REASON, FIX);
}

/** @param what needs rights over this machine's network, in the caller's words @throws UnsupportedError for an ordinary user */
export function requireRoot(what: string, own: Privilege = privilege()): void {
  if (own.kind !== 'root') throw new UnsupportedError(what, REASON, FIX);
}
