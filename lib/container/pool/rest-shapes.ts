import { encodePlan, slotCount, stepsOf } from '../../native/encode.js';
import type { EncodedPlan } from '../../native/task.js';
import { type TemplateKey, Templates } from '../../native/templates.js';
import type { Descriptors } from '../../plan/plan.js';
import type { Slot } from '../../plan/steps.js';
import type { ChildEnd, Streams } from '../../process/streams/child-end.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { ContainerPlan } from '../plan/container-plan.js';

/** How many are kept: those of a program that alternates between a few, or whose containers' addresses become longer. */
const MOST = 8;

/** The rest of a run's plan, and the slots that Node asks for. */
export interface Rest {
  readonly encoded: EncodedPlan;
  readonly descriptors: Descriptors;
  readonly of: Pick<ContainerPlan, 'mountNamespace' | 'user' | 'master' | 'rest' | 'leave'>;
}

/** What is known of a rest that was planned. */
interface Shape {
  readonly slots: number;
  /** Those of the program's streams, in their order. */
  readonly given: readonly Slot[];
  readonly of: Rest['of'];
}

/** How a rest is planned. */
export interface Planned {
  readonly plan: ContainerPlan;
  readonly descriptors: Descriptors;
}

/** The container of a run. */
export interface RestFor {
  /** What no other has, and stands in the plan as it is: its name, and what its links have of their own. */
  readonly values: readonly Uint8Array[];
  /** What else the plan follows from, beside the run's options and the pool. */
  readonly ground: readonly unknown[];
  readonly streams: Streams;
  /** Is called for a run unlike those before; else for the words of a failure alone. */
  readonly plan: () => Planned;
}

/**
 * The rests of a pool's newest runs as they travel. A run whose options are the same objects, as those of options that were checked before are, has one that
 * differs in the container's own values alone: these are written over in a copy.
 */
export class RestShapes {
  readonly #known = new Templates<Shape>(MOST);

  /** @throws what `plan` throws */
  restOf(options: ParsedOptions, { values, ground, streams, plan }: RestFor): Rest {
    const key = keyOf(options, streams, ground);
    const known = key && this.#known.fill(key, values);
    if (known) return filled(known.of, known.bytes, { streams, plan });
    const { plan: of, descriptors } = plan();
    const body = encodePlan(of.rest, descriptors);
    const slots = slotCount(stepsOf(of.rest), descriptors.keys());
    const given = [...descriptors.keys()];
    if (key !== null && given.length === descriptorsIn(streams).length)
      this.#known.keep(key, { bytes: body, values }, { slots, given, of });
    return { encoded: { body, slots, plan: () => of.rest }, descriptors, of };
  }
}

function filled({ given, slots, of }: Shape, body: Uint8Array, { streams, plan }: Pick<RestFor, 'streams' | 'plan'>): Rest {
  const fds = descriptorsIn(streams);
  const descriptors = new Map(given.map((slot, i) => [slot, descriptorAt(fds, i)]));
  return { encoded: { body, slots, plan: () => plan().plan.rest }, descriptors, of };
}

function descriptorAt(fds: readonly number[], index: number): number {
  const fd = fds[index];
  if (fd === undefined) throw new TypeError('a run has fewer streams than its shape');
  return fd;
}

/** `null` where the next run may have another rest: of files, or of the environment of this process. */
function keyOf({ command, copyIn, copyOut, process }: ParsedOptions, streams: Streams, ground: RestFor['ground']): TemplateKey | null {
  const { ends, copies, terminal, log } = streams;
  const isOfStreamsAlone = ends.every(({ type }) => type !== 'file') && copies.length === 0 && terminal === undefined && log === undefined;
  if (!isOfStreamsAlone || process.extendEnv || process.cancelSignal !== null) return null;
  return [command, copyIn, copyOut, process, ...ends.map(({ type }) => type), ...ground];
}

function descriptorsIn({ ends }: Streams): number[] {
  return ends.flatMap((end: ChildEnd) => ('fd' in end ? [end.fd] : []));
}
