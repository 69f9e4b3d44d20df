import { type Case, type Context, effort, NotHere } from '../case.js';
import { interleave, type Subject } from '../measure.js';
import { bwrap } from '../peers/bwrap.js';
import { crun } from '../peers/crun.js';
import { execaOf } from '../peers/execa.js';
import { floor } from '../peers/floor.js';
import { nacelle } from '../peers/nacelle.js';
import { runc } from '../peers/runc.js';
import { spawned } from '../peers/spawn.js';
import type { Line } from '../table.js';

/** Until V8 has compiled what it will of either. */
const WARM = 500;

/** One container against a peer: a ratio of medians, with its target where one is set. */
function against(name: string, peer: (rootfs: string) => Subject | Promise<Subject>, target?: number): Case {
  return { name, measure: (context) => measure(context, name, peer, target) };
}

async function measure(
  context: Context,
  name: string,
  peer: (rootfs: string) => Subject | Promise<Subject>,
  target: number | undefined,
): Promise<Line[]> {
  const what = `Container.run, against ${name}`;
  try {
    const other = await peer(context.rootfs);
    const length = effort(context, { rounds: 30, batch: 10, warm: WARM }, { rounds: 10, batch: 5, warm: WARM });
    const [ours, theirs] = await interleave([nacelle(context.rootfs), other], length).finally(() => other.close?.());
    if (!ours || !theirs) throw new Error('nothing was measured');
    const row = { what, unit: 'ms', measured: ours, against: { name: other.name, measured: theirs }, compare: 'ratio' } as const;
    return [target === undefined ? row : { ...row, target: { bound: 'at most', value: target } }];
  } catch (error) {
    if (error instanceof NotHere) return [{ what, reason: error.message }];
    throw error;
  }
}

export const comparisons: readonly Case[] = [
  against('bwrap', bwrap, 0.5),
  against('runc', runc, 0.12),
  against('crun', crun),
  against('floor', floor, 1.4),
  against('execa', execaOf, 1),
  against('spawn', spawned),
];
