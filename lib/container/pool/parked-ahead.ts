import { monotonicMs } from '../../native/clock.js';
import { addSpareUses } from '../../store/spare-uses.js';
import type { ParsedOptions } from '../options/container-options.js';
import { workingFolder } from '../options/working-folder.js';
import { NewestShapes } from '../start/newest-shapes.js';
import { isParkable } from './parkable.js';
import { type Begin, ParkedShape } from './parked-shape.js';

/** The most that wait of all shapes: nobody has asked for their processes, groups and namespaces, of which a machine or a group may have few. */
const MOST_WAITING = 8;
/** How long none is parked when there are more shapes than are remembered, in ms: what is parked would go before it is used. */
const PAUSE = 1000;

/**
 * Parks containers for the next runs before these are asked for, as a pool does: from the second run of a shape within a second on, at the end of that
 * one. Two runs have one shape when their options differ in nothing but what each run of a pool may have of its own. What no run takes within a
 * second is undone, and the shape forgotten.
 */
export class ParkedAhead {
  readonly #shapes = new NewestShapes<ParkedShape>();
  /** By `ParsedOptions.alike`; `null`: such a container is not parked. */
  #ofOptions = new WeakMap<object, ParkedShape | null>();
  readonly #begins: Begin | undefined;
  /** What is undone of shapes that are not remembered any more. */
  readonly #going = new Set<Promise<void>>();
  #pausedUntilMs = 0;

  /** @param begins default: in this process's shim */
  constructor(begins?: Begin) {
    this.#begins = begins;
  }

  /** `null`: a container with these options is not parked. */
  shapeOf(options: ParsedOptions): ParkedShape | null {
    if (this.#pausedUntilMs > 0 && monotonicMs() < this.#pausedUntilMs) return null;
    const known = this.#ofOptions.get(options.alike);
    // one that is not among the newest any more still knows what was parked in vain
    const shape = known === undefined ? this.#find(options) : known;
    this.#ofOptions.set(options.alike, shape);
    if (shape !== null) this.#putFirst(shape);
    return shape;
  }

  #find(options: ParsedOptions): ParkedShape | null {
    const folder = workingFolder();
    if (folder === null || !isParkable(options)) return null;
    const hooks = {
      onUnused: (shape: ParkedShape): void => {
        this.#shapes.remove(shape);
        this.#goes(shape.undo());
      },
      onMore: (shape: ParkedShape): void => this.#makeRoomFor(shape),
    };
    return this.#shapes.find((one) => one.isOf(options, folder)) ?? new ParkedShape(options, folder, hooks, this.#begins);
  }

  #putFirst(shape: ParkedShape): void {
    const oldest = this.#shapes.putFirst(shape);
    // it was to be used again
    if (oldest?.isLikely) this.#pausedUntilMs = monotonicMs() + PAUSE;
    if (oldest) this.#goes(oldest.forget());
  }

  #goes(undone: Promise<void>): void {
    this.#going.add(undone);
    void undone.then(() => this.#going.delete(undone));
  }

  #makeRoomFor(shape: ParkedShape): void {
    const others = this.#shapes.oldestFirst().filter((one) => one !== shape && one.wanted > 0);
    let wanted = others.reduce((sum, one) => sum + one.wanted, shape.wanted);
    for (const other of others) {
      if (wanted <= MOST_WAITING) return;
      wanted -= other.wanted;
      void other.undo();
    }
  }

  /** Undoes all that waits. */
  async undo(): Promise<void> {
    await Promise.all([this.#shapes.undo(), ...this.#going]);
  }

  /** Undoes all that waits, and forgets the shapes, with what was parked in vain. */
  forget(): Promise<void> {
    this.#pausedUntilMs = 0;
    this.#ofOptions = new WeakMap();
    return this.#shapes.forget();
  }
}

/** The containers that are parked ahead in this environment (main thread or Worker). */
export const parkedAhead = new ParkedAhead();

// the layers below these may be what is removed
addSpareUses('layers', () => parkedAhead.undo());
