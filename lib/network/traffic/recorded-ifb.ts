import { recordedNamespace } from '../../host/journal.js';
import { NETLINK_ROUTE } from '../../plan/constants.js';
import { NONE } from '../../plan/plan.js';
import type { Part } from '../bridge/parts.js';
import { networksNamespace } from '../holder/networks-place.js';
import { noteOf } from '../noted.js';
import type { LimitedPort } from './limit-steps.js';

/**
 * The ifb of a container's link, which does not go with the link: the container's task removes it, and whoever reaps. It is in the link group
 * of its port, which goes with it, so that nothing is ever sent past the limit.
 *
 * @param of.place of the network among the container's
 * @param of.keepsBridge as of {@link noteOf}
 * @throws SyscallError
 */
export function recordedIfb(
  { index: group }: LimitedPort,
  of: { readonly id: string; readonly owner: string; readonly place: number; readonly keepsBridge: boolean },
): Part {
  const noted = noteOf(of, `${of.id}-ifb-${of.place}`, [{ kind: 'links', group, ...recordedNamespace(networksNamespace()) }]);
  return {
    steps(slots) {
      const socket = slots.take();
      return {
        prepare: noted.write,
        undo: [
          { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_ROUTE },
          { op: 'remove_links', host: true, socket, group },
          { op: 'close', host: true, slot: socket },
          ...noted.forget,
        ],
      };
    },
    release(isHandedOver) {
      if (!isHandedOver) noted.drop();
    },
  };
}
