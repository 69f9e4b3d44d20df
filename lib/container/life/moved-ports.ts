import { NacelleError } from '../../errors.js';
import { ownNetworkNamespace } from '../../host/locate.js';
import type { Attachment } from '../../network/bridge/attach-network.js';
import { targetsOf } from '../../network/bridge/join-networks.js';
import { KEYS, keep, OWN_SLOTS } from '../../network/live/kept-steps.js';
import { tableName } from '../../network/nftables/owner-table-plan.js';
import { areCarried } from '../../network/ports/join-ports.js';
import { addressOf, endSteps, moveSteps, type PortsRecord, targetOf } from '../../network/ports/port-record.js';
import type { Step } from '../../plan/steps.js';
import type { Life } from './life.js';

/** What a container has of published ports when it is on one network more, and the steps by which its end learns of it. */
export function portsWith(
  ports: PortsRecord | null,
  of: { readonly attachment: Attachment; readonly isInternal: boolean; readonly owner: string },
): { readonly ports: PortsRecord; readonly steps: Step[] } {
  const targets = of.isInternal ? [] : targetsOf(of.attachment);
  if (ports !== null) return { ports: { ...ports, targets: [...ports.targets, ...targets] }, steps: [] };
  const first: PortsRecord = {
    namespace: ownNetworkNamespace(),
    table: tableName(of.owner),
    socket: OWN_SLOTS.ports,
    isMade: false,
    isCarried: areCarried(),
    targets,
    list: [],
  };
  return { ports: first, steps: [keep(KEYS.endPorts, endSteps(first))] };
}

/**
 * The same without a network, by the container's addresses there.
 *
 * @throws NacelleError `ERR_IN_USE`: a port would lead nowhere
 */
export function portsWithout({ id, record }: Life, addresses: readonly string[]): PortsRecord | null {
  const { ports } = record.current;
  if (ports === null) return null;
  const after: PortsRecord = { ...ports, targets: ports.targets.filter(({ address }) => !addresses.includes(address)) };
  const lost = ports.list.find((port) => targetOf(after, { address: addressOf(port) }) === null);
  if (!lost) return after;
  const port = `${lost.address}:${lost.host}/${lost.protocol}`;
  throw new NacelleError(
    `disconnect the container ${id} from a network: the published port ${port} leads there, and to no other. Unpublish it first`,
    {
      code: 'ERR_IN_USE',
    },
  );
}

/** Leads published ports to the addresses that are left, and notes that. */
export async function movePorts(life: Life, after: PortsRecord | null): Promise<void> {
  const { ports } = life.record.current;
  if (ports === null || after === null) return;
  const steps = moveSteps(ports, after);
  if (steps.length > 0) await life.held.task.call(steps);
  life.note({ ...life.record.current, ports: after });
}
