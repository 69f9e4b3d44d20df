import type { Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import { heldTables, tableName } from '../nftables/owner-table-plan.js';
import type { Table } from '../nftables/table.js';
import { fixedConfinedRequests } from './confined-rules.js';
import { borderRequests, type RuledNetwork } from './network-rules.js';
import { fixedGuardRequests, type Port } from './port-rules.js';

/** The rules of a network that a container's own shim holds, for it alone: they are made by its task, and go with that. */
export interface HeldRules {
  steps(slots: Slots): { readonly prepare: readonly Step[]; readonly undo: readonly Step[] };
}

/** @param ports the container's own, or those of the one whose network it shares, which may end before it */
export function heldRules(network: RuledNetwork, ports: readonly Port[], owner: string): HeldRules {
  const name = tableName(owner);
  const [routed, bridged]: [Table, Table] = [
    { family: 'inet', name },
    { family: 'bridge', name },
  ];
  const confined = ports.filter(({ isConfined }) => isConfined);
  const requests = [
    ...borderRequests(routed, network),
    ...fixedGuardRequests(bridged, ports),
    ...(confined.length === 0 ? [] : fixedConfinedRequests({ routed, bridged }, network, confined)),
  ];
  const what = `make the rules of the bridge ${network.bridge}`;
  return { steps: (slots) => heldTables(slots.take(), { what, tables: [routed, bridged], requests }) };
}
