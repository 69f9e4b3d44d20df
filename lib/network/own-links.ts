import { carryOut } from '../native/host-work.js';
import { NETLINK_ROUTE } from '../plan/constants.js';
import { NONE, planOf, Slots } from '../plan/plan.js';
import { type LinkInfo, parseLinks } from './link.js';
import { getLinks } from './rtnetlink.js';
import { request } from './veth-plan.js';

/** The links of this process's network namespace. @throws SyscallError */
export async function ownLinks(): Promise<LinkInfo[]> {
  const slots = new Slots();
  const socket = slots.take();
  const { outputs } = await carryOut(
    planOf({
      prepare: [
        { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_ROUTE },
        request(socket, 'list the links', getLinks()),
      ],
    }),
  );
  return parseLinks(outputs[0] ?? new Uint8Array());
}
