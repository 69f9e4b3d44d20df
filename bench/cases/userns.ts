import { Container, type RunOptions } from 'nacelle';
import { type Case, effort } from '../case.js';
import { interleave, type Subject, subject } from '../measure.js';
import { madeForRun } from '../peers/nacelle.js';

/** What a user namespace of its own costs a run: one more process that makes it, a lease of ids, a stage more, mapped layers. */
export const userns: Case = {
  name: 'userns',
  async measure(context) {
    const run = (name: string, more: RunOptions): Subject => subject(name, () => Container.run({ ...madeForRun(context.rootfs), ...more }));
    const plan = effort(context, { rounds: 100, batch: 4 }, { rounds: 10, batch: 4 });
    const [plain, own] = await interleave([run('without', {}), run('auto', { userns: 'auto' })], plan);
    if (!plain || !own) return [];
    return [
      { what: "a run with userns: 'auto'", unit: 'ms', measured: own, against: { name: 'without', measured: plain }, compare: 'ratio' },
    ];
  },
};
