import { start } from '../../lib/native/shim.js';
import { type Plan, planOf } from '../../lib/plan/plan.js';
import { type Case, effort } from '../case.js';
import { interleave, subject } from '../measure.js';
import { nacelle } from '../peers/nacelle.js';
import { bareProgram } from '../peers/spawn.js';
import type { Row } from '../table.js';

/** CLONE_NEW* of clone(2), from the cheapest to the dearest. */
const NAMESPACES = [
  ['pid', 0x20000000],
  ['mnt', 0x20000],
  ['uts', 0x4000000],
  ['cgroup', 0x2000000],
  ['ipc', 0x8000000],
  ['net', 0x40000000],
] as const;

function plan(flags: number, rootfs: string): Plan {
  const [path, args] = bareProgram(rootfs);
  return planOf({ stages: [{ flags, steps: [{ op: 'exec', path, argv: [path, ...args], env: [] }] }] });
}

async function runPlan(flags: number, rootfs: string): Promise<void> {
  const task = await start(plan(flags, rootfs), new Map());
  const { exit } = await task.ended;
  if (exit.kind !== 'exited' || exit.value !== 0) throw new Error(`the program ${exit.kind} with ${exit.value}`);
}

/** A program through the shim, with one namespace more at each rung, then a whole container: shows where the time goes. */
export const ladder: Case = {
  name: 'ladder',
  async measure({ rootfs, ...context }) {
    const rungs = NAMESPACES.map(([name], index) => ({
      name: `+ ${name}`,
      flags: NAMESPACES.slice(0, index + 1).reduce((sum, [, flag]) => sum | flag, 0),
    }));
    const subjects = [{ name: 'bare', flags: 0 }, ...rungs].map(({ name, flags }) => subject(name, () => runPlan(flags, rootfs)));
    const summaries = await interleave(
      [...subjects, nacelle(rootfs)],
      effort({ rootfs, ...context }, { rounds: 20, batch: 10 }, { rounds: 6, batch: 5 }),
    );
    const names = [...subjects.map(({ name }) => name), 'Container.run'];
    return summaries.map((measured, index): Row => ({ what: `ladder: ${names[index]}`, unit: 'ms', measured }));
  },
};
