import type { Plan } from '../../lib/plan/plan.js';
import type { Op, Step } from '../../lib/plan/steps.js';

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

/** Plans without certain steps. Plans that never had them would show nothing, so that is an error. */
export async function without<T>(ops: readonly Op[], use: () => Promise<T>): Promise<T> {
  let count = 0;
  const drop: Change = (step) => {
    if (!ops.includes(step.op)) return step;
    count++;
    return [];
  };
  const result = await withPlans(drop, use);
  if (count === 0) throw new Error(`no plan has a step ${ops.join(' or ')}`);
  return result;
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
