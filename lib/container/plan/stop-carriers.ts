import { stopEgress } from '../../network/egress/egress-plan.js';
import { stopPasta } from '../../network/pasta/pasta-plan.js';
import { stopHostPorts } from '../../network/relay/host-ports.js';
import type { Step } from '../../plan/steps.js';
import type { PlanInput } from './plan-input.js';

/** Steps at a container's end for the processes beside the shim that carry what it sends: each would keep its network namespace alive. */
export function stopCarriers({ options, networks }: Pick<PlanInput, 'options' | 'networks'>): Step[] {
  return [...stopHostPorts(options.hostPorts), ...stopEgress(options.egress?.rules ?? null), ...stopPasta(networks.pasta)];
}
