import { hasCode, UnsupportedError } from '../errors.js';
import { carryOut } from '../native/host-work.js';
import { NETLINK_ROUTE } from '../plan/constants.js';
import { NONE, planOf, Slots } from '../plan/plan.js';
import { type Feature, lacking, refused, works } from './feature.js';

/** Kinds of links that not every kernel has. */
export type LinkKind = 'macvlan' | 'ipvlan' | 'vxlan';

/** RTM_NEWLINK; NLM_F_REQUEST, ACK, EXCL and CREATE. */
const NEW_LINK = 16;
const CREATED = 0x605;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;

/**
 * Whether the kernel has links of a kind, whose module it loads for that. It is asked for one without what every link of these kinds needs, its
 * parent or its number: so nothing is made, and the error tells whether the kernel knows the kind.
 */
export async function linkFeature(kind: LinkKind): Promise<Feature> {
  const slots = new Slots();
  const socket = slots.take();
  const ask = { what: `ask the kernel for a link of the kind ${kind}`, message: newLink(kind), patch: NONE, patch_offset: 0 };
  try {
    await carryOut(
      planOf({
        prepare: [
          { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_ROUTE },
          { op: 'netlink', host: true, socket, ...ask },
        ],
      }),
    );
    return lacking(`the kernel has made a link of the kind ${kind} without what it needs`);
  } catch (error) {
    if (hasCode(error, 'EINVAL')) return works;
    if (hasCode(error, 'EOPNOTSUPP')) return lacking(`this kernel has no links of the kind ${kind}`, `Load its module: modprobe ${kind}.`);
    return refused(error);
  }
}

/** @throws UnsupportedError where the kernel has no links of a kind */
export async function requireLinkKind(kind: LinkKind): Promise<void> {
  const { available, reason, fix } = await linkFeature(kind);
  if (!available) throw new UnsupportedError(`the driver ${kind} of a network`, reason ?? '', fix);
}

/** struct nlmsghdr, struct ifinfomsg, which is empty, and IFLA_LINKINFO with the kind alone. */
function newLink(kind: LinkKind): Uint8Array {
  const name = Buffer.from(kind);
  const padded = (name.length + 3) & ~3;
  const bytes = new Uint8Array(32 + 8 + padded);
  new Uint32Array(bytes.buffer, 0, 1).set([bytes.length]);
  new Uint16Array(bytes.buffer, 4, 2).set([NEW_LINK, CREATED]);
  new Uint16Array(bytes.buffer, 32, 4).set([8 + padded, IFLA_LINKINFO, 4 + name.length, IFLA_INFO_KIND]);
  bytes.set(name, 40);
  return bytes;
}
