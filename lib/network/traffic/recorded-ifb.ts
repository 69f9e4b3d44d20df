import { recordedNamespace, writeRecord } from '../../host/journal.js';
import { dropRecord } from '../../host/recorded.js';
import { NETLINK_ROUTE } from '../../plan/constants.js';
import { NONE } from '../../plan/plan.js';
import type { Part } from '../bridge/parts.js';
import { networksNamespace } from '../holder/networks-place.js';
import type { LimitedPort } from './limit-steps.js';

/**
 * The ifb of a container's link, which does not go with the link: the container's task removes it, and whoever reaps. It is in the link group
 * of its port, which goes with it, so that nothing is ever sent past the limit.
 *
 * @param of.place of the network among the container's
 * @throws SyscallError
 */
export function recordedIfb(
  { index: group }: LimitedPort,
  of: { readonly id: string; readonly owner: string; readonly place: number },
): Part {
  const forget = writeRecord(of.owner, `${of.id}-ifb-${of.place}`, [{ kind: 'links', group, ...recordedNamespace(networksNamespace()) }]);
  return {
    steps(slots) {
      const socket = slots.take();
      return {
        prepare: [],
        undo: [
          { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_ROUTE },
          { op: 'remove_links', host: true, socket, group },
          { op: 'close', host: true, slot: socket },
          ...forget,
        ],
      };
    },
    release(isHandedOver) {
      if (!isHandedOver) dropRecord(forget);
    },
  };
}
