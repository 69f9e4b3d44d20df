import { encodePlan } from '../../native/encode.js';
import type { Shim } from '../../native/shim.js';
import type { Beginning } from '../../native/task.js';
import { withTrace } from '../../native/trace.js';
import { newId } from '../../plan/id.js';
import type { Descriptors, Plan } from '../../plan/plan.js';

/** A container's first part that was sent before the container was asked for: it waits in the shim, or is under way. */
export interface Prewarmed {
  readonly id: string;
  readonly body: string;
  /** `FirstPart.shape`. */
  readonly shape: string;
  readonly beginning: Beginning;
}

const none: Descriptors = new Map();

/** The first part of a container of that name, and its bytes. */
export class FirstPart {
  readonly id: string;
  readonly plan: Plan;
  readonly body: string;
  /** The bytes without the container's name: what all containers of a shape have in common. */
  readonly shape: string;

  constructor(id: string, plan: Plan) {
    this.id = id;
    this.plan = withTrace(plan);
    this.body = Buffer.from(encodePlan(this.plan, none)).toString('latin1');
    this.shape = this.body.replaceAll(id, '');
  }

  /**
   * Sends the same under another name. The shim does what comes before the process, and waits. `null` where that can't be sent: the next container
   * is then made without, and gets the failure itself if there is one.
   */
  sendLater(shim: Pick<Shim, 'startLater'>): Prewarmed | null {
    const id = newId();
    const body = this.body.replaceAll(this.id, id);
    try {
      return { id, body, shape: this.shape, beginning: shim.startLater(this.plan, Buffer.from(body, 'latin1')) };
    } catch {
      return null;
    }
  }
}

/** Whether the prewarmed part is the same bytes that `first` would send. */
export function fits({ beginning, body }: Prewarmed, first: FirstPart | null): boolean {
  return first !== null && !beginning.over && body === first.body;
}

/** Undoes a prewarmed part that nobody needs. What could not be undone stays in the journal, for the next reap. */
export async function discard({ beginning }: Prewarmed): Promise<void> {
  await Promise.allSettled([beginning.close()]);
}
