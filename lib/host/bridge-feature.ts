import { hasCode, UnsupportedError } from '../errors.js';
import { carryOut } from '../native/host-work.js';
import { NETLINK_NETFILTER } from '../plan/constants.js';
import { NONE, planOf, Slots } from '../plan/plan.js';
import { type Feature, lacking, refused, works } from './feature.js';
import { type Privilege, privilege } from './privilege.js';

const REASON = "a bridge in the machine's network namespace can be made by root alone";
const FIX = "Run it as root, or use network 'none' or 'host'.";
const NO_RIGHT = 'Run it with CAP_NET_ADMIN in the user namespace that owns the network namespace.';
const NO_NFTABLES = 'Load the module of the kernel: modprobe nf_tables.';

/** NFT_MSG_GETGEN of the subsystem NFNL_SUBSYS_NFTABLES: it is answered by every kernel with nf_tables, and changes nothing. */
const GET_GENERATION = (10 << 8) | 16;
/** NLM_F_REQUEST and NLM_F_ACK. */
const ACKED = 0x5;

/** Whether this user can have networks with bridges, whose rules need nf_tables. */
export async function bridgeFeature(): Promise<Feature> {
  if (privilege().kind !== 'root') return lacking(REASON, FIX);
  const slots = new Slots();
  const socket = slots.take();
  const ask = { what: 'ask for nftables, which every network needs', message: getGeneration(), patch: NONE, patch_offset: 0 };
  try {
    await carryOut(
      planOf({
        prepare: [
          { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_NETFILTER },
          { op: 'netlink', host: true, socket, ...ask },
        ],
      }),
    );
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

/** @param what the network, in the caller's words @throws UnsupportedError for a user who can't have bridges */
export function requireBridges(what: string, own: Privilege = privilege()): void {
  if (own.kind !== 'root') throw new UnsupportedError(what, REASON, FIX);
}
