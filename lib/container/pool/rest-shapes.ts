import { encodePlan, slotCount, stepsOf } from '../../native/encode.js';
import type { EncodedPlan } from '../../native/task.js';
import type { Descriptors, Plan } from '../../plan/plan.js';
import type { Slot } from '../../plan/steps.js';
import type { ChildEnd, Streams } from '../../process/streams/child-end.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { ContainerPlan } from '../plan/container-plan.js';

/** How many are kept: those of a program that alternates between a few. */
const MOST = 4;

/** What of a run the rest of its plan follows from, beside the pool and the container's name. */
type Key = readonly unknown[];

/** The rest of a run's plan, and the slots that Node asks for. */
export interface Rest {
  readonly encoded: EncodedPlan;
  readonly descriptors: Descriptors;
  readonly of: Pick<ContainerPlan, 'mountNamespace' | 'user' | 'master' | 'rest' | 'leave'>;
}

interface Shape {
  readonly key: Key;
  readonly name: string;
  readonly body: Uint8Array;
  readonly slots: number;
  /** Those of the program's streams, in their order. */
  readonly given: readonly Slot[];
  readonly of: Rest['of'];
  /** Where the name stands in the bytes; `null`: nobody has asked yet. */
  places: readonly number[] | null;
}

/** How a rest is planned. */
export interface Planned {
  readonly plan: ContainerPlan;
  readonly descriptors: Descriptors;
}

/**
 * The rests of a pool's newest runs as they travel. A run whose options are the same objects, as those of options that were checked before are, has one that
 * differs in the container's name alone: that is written over in a copy.
 */
export class RestShapes {
  #shapes: readonly Shape[] = [];

  /**
   * @param plan is called for a run unlike those before; else for the words of a failure alone
   * @throws what `plan` throws
   */
  restOf(options: ParsedOptions, { name, streams, plan }: { name: string; streams: Streams; plan: () => Planned }): Rest {
    const key = keyOf(options, streams);
    const shape = key && this.#shapes.find((one) => one.key.every((part, i) => part === key[i]));
    if (shape) return renamed(shape, { name, streams, plan: () => plan().plan.rest });
    const { plan: of, descriptors } = plan();
    const body = encodePlan(of.rest, descriptors);
    const slots = slotCount(stepsOf(of.rest), descriptors.keys());
    const given = [...descriptors.keys()];
    if (key !== null && given.length === descriptorsIn(streams).length)
      this.#shapes = [{ key, name, body, slots, given, of, places: null }, ...this.#shapes.slice(0, MOST - 1)];
    return { encoded: { body, slots, plan: () => of.rest }, descriptors, of };
  }
}

function renamed(shape: Shape, { name, streams, plan }: { name: string; streams: Streams; plan: () => Plan }): Rest {
  shape.places ??= placesOf(shape.name, shape.body);
  const body = Buffer.from(shape.body);
  for (const place of shape.places) body.write(name, place, 'latin1');
  const fds = descriptorsIn(streams);
  const descriptors = new Map(shape.given.map((slot, i) => [slot, descriptorAt(fds, i)]));
  return { encoded: { body, slots: shape.slots, plan }, descriptors, of: shape.of };
}

function descriptorAt(fds: readonly number[], index: number): number {
  const fd = fds[index];
  if (fd === undefined) throw new TypeError('a run has fewer streams than its shape');
  return fd;
}

/** `null` where the next run may have another rest: of files, or of the environment of this process. */
function keyOf({ command, copyIn, copyOut, process }: ParsedOptions, { ends, copies, terminal, log }: Streams): Key | null {
  const isOfStreamsAlone = ends.every(({ type }) => type !== 'file') && copies.length === 0 && terminal === undefined && log === undefined;
  if (!isOfStreamsAlone || process.extendEnv || process.cancelSignal !== null) return null;
  return [command, copyIn, copyOut, process, ...ends.map(({ type }) => type)];
}

function descriptorsIn({ ends }: Streams): number[] {
  return ends.flatMap((end: ChildEnd) => ('fd' in end ? [end.fd] : []));
}

function placesOf(name: string, body: Uint8Array): number[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const places: number[] = [];
  for (let at = bytes.indexOf(name, 0, 'latin1'); at >= 0; at = bytes.indexOf(name, at + name.length, 'latin1')) places.push(at);
  return places;
}
