import type { Task } from '../../native/task.js';
import { isLinkLocal } from '../address.js';
import { forgetConnectionsBy } from '../nftables/forget-connections.js';
import { ownAddresses } from '../own-addresses.js';
import { isWildcard, type PublishedPort } from './port-mapping.js';
import { addressOf, hasRules, type PortsRecord } from './port-record.js';

/**
 * Has the kernel forget flows of UDP to a port, which would else go on to where they led before the port was published, or while it was. What
 * others send to this port of other machines goes on. Connections of TCP need none of that: one from before the rules is refused by these, and
 * one that was led to the container ends by itself. The kernel looks through its whole table, which takes it some 20 ms.
 *
 * @throws as {@link forgetConnectionsBy}
 */
export async function forgetConnectionsTo(
  port: PublishedPort,
  { task, ports }: { readonly task: Task; readonly ports: PortsRecord },
): Promise<void> {
  const { protocol, host } = port;
  if (protocol !== 'udp' || !hasRules(ports, port)) return;
  const address = addressOf(port);
  const own = isWildcard(address) ? ownAddresses().filter((one) => one.family === address.family && !isLinkLocal(one)) : [address];
  for (const one of own) {
    await forgetConnectionsBy(task, ports.socket, { protocol, port: host, address: one });
  }
}
