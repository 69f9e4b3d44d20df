import type { Slot } from '../plan/steps.js';
import { type GroupPlan, type GroupRequest, planGroup } from './group-plan.js';
import { renamedGroup } from './renamed-group.js';

/** How many are kept: the shapes of a program that alternates between some. One takes some KiB, so there is room for more than are made ahead (`prewarm.ts`). */
const MOST = 16;

interface Shape {
  readonly request: GroupRequest;
  /** The container that it was planned for. */
  readonly id: string;
  readonly group: GroupPlan;
  /** How many slots it has taken, the first ones. */
  readonly slots: Slot;
}

/** Plans groups, once for those that differ in the container's id alone. Of limits and rules it looks at whether they are the same objects. */
export class GroupShapes {
  readonly #shapes: Shape[] = [];

  /**
   * As {@link planGroup}.
   *
   * @param id with which the name ends
   * @throws UnsupportedError when a limit can't be kept, or no group can be made at all
   */
  plan(request: GroupRequest, id: string): GroupPlan {
    const { slots, files } = request;
    if (slots.all.length > 0) return planGroup(request);
    const known = this.#shapes.find(
      (shape) => isAlike(shape.request, request) && ownerIn(shape.request, shape.id) === ownerIn(request, id),
    );
    if (known !== undefined) {
      for (let slot = 0; slot < known.slots; slot++) slots.take();
      return renamedGroup(known.group, known.id, id);
    }
    // what a file says may be another thing later
    let hasRead = false;
    const read: NonNullable<typeof files>['read'] = (controller, file) => {
      hasRead = true;
      return files?.read(controller, file) ?? null;
    };
    const group = planGroup(files === undefined ? request : { ...request, files: { has: (...of) => files.has(...of), read } });
    if (!hasRead) this.#keep({ request, id, group, slots: slots.all.length });
    return group;
  }

  #keep(shape: Shape): void {
    this.#shapes.unshift(shape);
    if (this.#shapes.length > MOST) this.#shapes.pop();
  }
}

const ownerIn = ({ name }: GroupRequest, id: string): string => name.slice(0, -id.length);

/** What differs, or is looked at by itself. */
const NOT_COMPARED: ReadonlySet<string> = new Set(['slots', 'name', 'files', 'above'] satisfies (keyof GroupRequest)[]);

/**
 * Whether nothing else is asked for. Which files a kernel has does not change; what groups above have may have. All other fields are compared, also those
 * that a request comes to have later.
 */
function isAlike(one: GroupRequest, other: GroupRequest): boolean {
  return !one.above?.length && !other.above?.length && hasFieldsOf(one, other) && hasFieldsOf(other, one);
}

function hasFieldsOf(one: GroupRequest, other: GroupRequest): boolean {
  return Object.keys(one).every((field) => NOT_COMPARED.has(field) || Reflect.get(one, field) === Reflect.get(other, field));
}
