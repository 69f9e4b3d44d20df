import { O_NOCTTY, O_RDONLY, O_WRONLY } from '../../plan/constants.js';
import { NONE, type Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { ChildEnds } from './child-end.js';

/** Steps for the streams of a program. */
export interface StreamPlan {
  /** Steps to be run while a path of the host's means the same as in Node. */
  readonly open: readonly Step[];
  /**
   * Steps that make the streams the descriptors 0, 1 and 2. `give`: pipes of ours become the user's, so that the program may open
   * /dev/stdout.
   */
  set(give: boolean): Step[];
}

/** The streams of a program on the host's own files, which nothing confines. */
export function planHostStreams(ends: ChildEnds, slots: Slots): StreamPlan {
  const open: Step[] = [];
  const opened = (path: string, flags: number): Slot => {
    const out = slots.take();
    open.push({ op: 'open', out, at: NONE, path, flags, mode: 0 });
    return out;
  };
  const places = ends.map((end, number): Slot => {
    if (end.type === 'null') return opened('/dev/null', accessOf(number));
    return end.type === 'file' ? opened(end.path, O_RDONLY | O_NOCTTY) : slots.give(end.fd);
  });
  return { open, set: (give) => setSteps(ends, places, give) };
}

/** The access that a program has to one of its streams. */
export function accessOf(number: number): number {
  return number === 0 ? O_RDONLY : O_WRONLY;
}

export function setSteps(ends: ChildEnds, places: readonly Slot[], give: boolean): Step[] {
  return places.flatMap((slot, number): Step[] => [
    ...(give && ends[number]?.type === 'pipe' ? [{ op: 'chown', slot } as const] : []),
    { op: 'stdio', slot, fd: number },
  ]);
}
