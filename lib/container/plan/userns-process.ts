import type { Step } from '../../plan/steps.js';
import type { UserMaps } from '../../plan/userns-maps.js';
import type { TailSteps } from '../../process/program-steps.js';
import { rootOutside } from './userns-ids.js';

/**
 * A program's last steps without what nobody has the right to in a user namespace, and the steps for that, which come before the process joins
 * it: pipes of ours become those of the root inside, who then gives them to the user; hard limits are raised; the scheduler is chosen.
 */
export function splitProgram(
  { confine, run }: TailSteps,
  maps: UserMaps,
): { readonly outside: readonly Step[]; readonly program: TailSteps } {
  const root = rootOutside(maps);
  const outside = confine.flatMap((step): Step[] => {
    if (step.op === 'chown') return [{ op: 'chown_to', slot: step.slot, ...root }];
    if (step.op === 'rlimit') return [{ op: 'raise_limit', name: step.name, resource: step.resource, hard: step.hard }];
    return step.op === 'scheduler' ? [step] : [];
  });
  return { outside, program: { confine: confine.filter(({ op }) => op !== 'scheduler'), run } };
}
