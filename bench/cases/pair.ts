import { type Effort, interleave, type Subject } from '../measure.js';
import type { Line, Row } from '../table.js';

/** Ours against another, as one row in ms. */
export async function pair(
  row: Required<Pick<Row, 'what' | 'compare' | 'target'>>,
  [ours, theirs]: readonly [Subject, Subject],
  effort: Effort,
): Promise<Line[]> {
  const [measured, against] = await interleave([ours, theirs], effort).finally(() => Promise.all([ours.close?.(), theirs.close?.()]));
  if (!measured || !against) throw new Error('nothing was measured');
  return [{ ...row, unit: 'ms', measured, against: { name: theirs.name, measured: against } }];
}
