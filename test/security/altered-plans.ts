import type { Plan } from '../../lib/plan/plan.js';
import type { Step } from '../../lib/plan/steps.js';

/** What becomes of a step of a plan before it is sent; an empty list leaves it out. */
export type Change = (step: Step) => Step | readonly Step[];

let current: Change | null = null;

/** While `use` runs, every plan goes to the shim with its steps changed: what if one of them had been forgotten? */
export async function withPlans<T>(change: Change, use: () => Promise<T>): Promise<T> {
  current = change;
  try {
    return await use();
  } finally {
    current = null;
  }
}

/** For the seam between plans and the shim. */
export function altered(plan: Plan): Plan {
  const change = current;
  if (change === null) return plan;
  const steps = (list: readonly Step[]): Step[] => list.flatMap(change);
  return {
    ...plan,
    prepare: steps(plan.prepare),
    stages: plan.stages.map((stage) => ({ ...stage, steps: steps(stage.steps) })),
  };
}
