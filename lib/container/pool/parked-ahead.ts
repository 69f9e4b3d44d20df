import { cwd } from 'node:process';
import { unlessAborted } from '../../process/abort.js';
import type { Encoding } from '../../process/options/process-types.js';
import type { Program } from '../../process/program.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { Parts } from '../start/launch.js';
import { launchIsolated } from '../start/launch-isolated.js';
import { launchPooled } from './launch-pooled.js';
import { isParkable } from './parkable.js';
import type { ParkedContainer } from './parked-containers.js';
import { ParkedShape } from './parked-shape.js';

/** How many shapes are remembered: those of a program that alternates between a few. */
const MOST = 8;

/**
 * Parks containers for the next runs before these are asked for, as a pool does: from the second run of a shape within a second on, at the end of that
 * one. Two runs have one shape when their options differ in nothing but what each run of a pool may have of its own. What no run takes within a
 * second is undone, and the shape forgotten.
 */
export class ParkedAhead {
  /** The newest first. */
  readonly #shapes: ParkedShape[] = [];
  /** By `ParsedOptions.alike`; `null`: such a container is not parked. */
  readonly #ofOptions = new WeakMap<object, ParkedShape | null>();

  /** `null`: a container with these options is not parked. */
  shapeOf(options: ParsedOptions): ParkedShape | null {
    const known = this.#ofOptions.get(options.alike);
    // one that was forgotten still knows what was parked in vain
    const shape = known === undefined ? this.#find(options) : known;
    this.#ofOptions.set(options.alike, shape);
    if (shape !== null && shape !== this.#shapes[0]) this.#putFirst(shape);
    return shape;
  }

  #find(options: ParsedOptions): ParkedShape | null {
    const folder = workingFolder();
    if (folder === null || !isParkable(options)) return null;
    const found = this.#shapes.find((one) => one.isOf(options, folder));
    const shape: ParkedShape = found ?? new ParkedShape(options, folder, () => this.#remove(shape));
    return shape;
  }

  #putFirst(shape: ParkedShape): void {
    this.#remove(shape);
    this.#shapes.unshift(shape);
    for (const oldest of this.#shapes.splice(MOST)) void oldest.forget();
  }

  #remove(shape: ParkedShape): void {
    const at = this.#shapes.indexOf(shape);
    if (at >= 0) this.#shapes.splice(at, 1);
  }

  /** Undoes all that waits. */
  async undo(): Promise<void> {
    await Promise.all(this.#shapes.map((shape) => shape.undo()));
  }

  /** Undoes all that waits, and forgets the shapes: two more runs are needed before a container is parked. */
  async forget(): Promise<void> {
    await Promise.all(this.#shapes.splice(0).map((shape) => shape.forget()));
  }
}

/** `null`: it was removed. */
function workingFolder(): string | null {
  try {
    return cwd();
  } catch {
    return null;
  }
}

/** The containers that are parked ahead in this environment (main thread or Worker). */
export const parkedAhead = new ParkedAhead();

/** Makes the container of a run: one that is parked, or else one of its own. @throws as `Container.run` */
export async function launchRun<E extends Encoding>(program: Program<E>, options: ParsedOptions): Promise<Parts<E>> {
  const shape = parkedAhead.shapeOf(options);
  if (shape === null) return launchIsolated(program, options, { park: false });
  shape.hasBegun();
  try {
    const parts = await launchOfShape(program, options, shape);
    shape.runs(parts.held.task);
    return parts;
  } catch (error) {
    shape.hasFailed();
    throw error;
  }
}

async function launchOfShape<E extends Encoding>(program: Program<E>, options: ParsedOptions, shape: ParkedShape): Promise<Parts<E>> {
  const { cancelSignal } = options.process;
  cancelSignal?.throwIfAborted();
  const container = await unlessAborted(cancelSignal, () => shape.take(options), letGo);
  if (container !== null) return launchPooled(program, container);
  return launchIsolated(program, options, { park: false, prewarms: !shape.isServed });
}

/** Undoes one that was taken for a run which is over. */
function letGo(container: ParkedContainer | null): void {
  if (container === null) return;
  void Promise.allSettled([container.parked.beginning.close()]).then(container.release);
}
