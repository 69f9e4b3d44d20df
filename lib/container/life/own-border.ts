import { NacelleError, toError, UnsupportedError, withCleanupError } from '../../errors.js';
import { requireKnownHosts } from '../../network/bridge/attach-network.js';
import { keepBridge, ruledNetwork } from '../../network/bridge/kept-bridge.js';
import { isPortShared } from '../../network/bridge/network-folder.js';
import { networksNamespace } from '../../network/holder/networks-place.js';
import type { LinkRecord, LinksRecord } from '../../network/live/links-record.js';
import { portOf } from '../../network/rules/guarded-port.js';
import { confineHeld, freeHeld } from '../../network/rules/held-rules.js';
import type { Life } from './life.js';

// The border of a container's ports (lib/network/rules/confined-rules.ts), where a list is lifted or put back while the container lives.

/**
 * What nobody else holds can be changed. The caller's turn keeps others from beginning to share the ports.
 *
 * @throws NacelleError `ERR_IN_USE`; UnsupportedError
 */
export function requireOwnBorder({ id, isDetached }: Life, what: string, links: LinksRecord): void {
  if (links.list.length > 0 && links.namespace !== networksNamespace()) {
    throw new UnsupportedError(what, "the container's networks are in another network namespace", 'Call it from a process there.');
  }
  for (const { network, port, border = null } of links.list) {
    if (port === null) {
      const reason = `no rule of this machine's sees what the container sends to its network ${network}, which is one of macvlan or ipvlan`;
      throw new UnsupportedError(what, reason, 'Disconnect it from that network.');
    }
    if (isDetached && border === null) {
      throw new UnsupportedError(what, `an older version of this library has connected the container to its network ${network}`, AGAIN);
    }
    if (isPortShared(network, port.name)) {
      const problem = `another container shares its link to the network ${network}, and holds the border of that as well`;
      throw new NacelleError(`${what} of the container ${id}: ${problem}. End that one first`, { code: 'ERR_IN_USE' });
    }
  }
}

const AGAIN = 'Disconnect it from that network, and connect it again.';

/**
 * Has the container reach the others of its networks alone by its links, or whatever these lead to. A failure leaves all as it was.
 *
 * @throws as `keepBridge`; SyscallError; NacelleError `ERR_INVALID_OPTION` for a network where no border can be
 */
export async function changeBorder(life: Life, links: LinksRecord, isConfined: boolean): Promise<void> {
  const changed: LinkRecord[] = [];
  try {
    for (const link of links.list) {
      await changeAt(life, link, isConfined);
      changed.push(link);
    }
  } catch (error) {
    let failure: Error | undefined;
    for (const link of changed) failure ??= await changeAt(life, link, !isConfined).then(() => undefined, toError);
    throw withCleanupError(error, life.hasEnded ? undefined : failure);
  }
}

async function changeAt(life: Life, { network, port, border = null }: LinkRecord, isConfined: boolean): Promise<void> {
  const guarded = life.record.current.guarded.find((one) => one.network === network && one.index === port?.index);
  if (!guarded) throw new Error('each link with an end on this machine is guarded');
  const bridge = await keepBridge(network);
  try {
    if (isConfined) requireKnownHosts(network, bridge.record);
    if ('parent' in bridge.way) throw new Error('a link with an end on this machine is a port of a bridge');
    const ruled = ruledNetwork(network, bridge.record);
    if (border === null) await bridge.way.rules.confine(guarded, isConfined);
    else await life.held.task.call([isConfined ? confineHeld(border, ruled, portOf(guarded)) : freeHeld(border, ruled)]);
  } finally {
    bridge.release();
  }
}
