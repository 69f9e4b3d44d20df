import type { Plan } from '../plan/plan.js';
import type { TraceMark } from './messages.js';
import { Where } from './protocol.js';
import { stepAt, wordsOfStep } from './system-errors.js';

/** Who does something: this process, the shim, or the process that becomes the program. */
export type Actor = 'node' | 'shim' | 'process';

/** One thing that was done for a container. Times are ms of CLOCK_MONOTONIC. */
export interface Span {
  readonly who: Actor;
  /** The step's name; of what is no step '-'. */
  readonly step: string;
  readonly what: string;
  readonly beganMs: number;
  /** `null`: no end is known, as of an execve, and of a process that died. */
  readonly endedMs: number | null;
}

/** All that was done for one call, in the order of its begins. */
export interface Timeline {
  readonly name: string;
  readonly spans: readonly Span[];
}

const ofTheShim: ReadonlyMap<number, readonly string[]> = new Map([
  [Where.plan, ['take the plan']],
  [Where.clone, ['clone the first process']],
  [Where.run, ['the program, until its end is known']],
  [Where.end, ['wait until no process is left', 'read what the groups counted']],
]);

/** What the shim and the process noted, in the plan's words. A mark that is nobody's, which a traced process could write, has its numbers. Pure. */
export function spansOf(marks: readonly TraceMark[], plan: Plan): Span[] {
  return marks.map((mark) => ({ ...wordsOf(mark, plan), beganMs: mark.beganMs, endedMs: mark.endedMs }));
}

function wordsOf({ where, index }: TraceMark, plan: Plan): Pick<Span, 'who' | 'step' | 'what'> {
  const own = ofTheShim.get(where)?.[index];
  if (own !== undefined) return { who: 'shim', step: '-', what: own };
  const step = stepAt({ where, index }, { plan });
  const who = where < 0 || step?.host ? 'shim' : 'process';
  return step === undefined ? { who, step: '-', what: `step ${index} of ${where}` } : { who, step: step.op, what: wordsOfStep(step) };
}

/** The spans in the order of their begins; of those that began together, the one that took longer first. */
export function inOrder(spans: readonly Span[]): Span[] {
  const lasted = ({ beganMs, endedMs }: Span): number => (endedMs ?? beganMs) - beganMs;
  return [...spans].sort((a, b) => a.beganMs - b.beganMs || lasted(b) - lasted(a));
}

/** A line for each span: when it began and how long it took, in ms. Pure. */
export function timelineText({ name, spans }: Timeline): string {
  const first = spans[0]?.beganMs ?? 0;
  const last = Math.max(first, ...spans.map(({ beganMs, endedMs }) => endedMs ?? beganMs));
  const lines = spans.map(({ who, step, what, beganMs, endedMs }) => {
    const took = endedMs === null ? '-' : (endedMs - beganMs).toFixed(3);
    return `${(beganMs - first).toFixed(3).padStart(10)} ${took.padStart(10)}  ${who.padEnd(7)}  ${step.padEnd(LONGEST)}  ${printable(what)}`;
  });
  const head = `${'began (ms)'.padStart(10)} ${'took'.padStart(10)}  ${'who'.padEnd(7)}  ${'step'.padEnd(LONGEST)}  what`;
  return `nacelle: ${printable(name)}, ${(last - first).toFixed(3)} ms\n${[head, ...lines].join('\n')}\n`;
}

/** Of most steps' names. */
const LONGEST = 18;

/** Paths are the caller's and may have any characters, which a terminal would obey. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be found
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}
