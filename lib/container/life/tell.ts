import { type Told, wordsOf } from '../events/words.js';
import type { Life } from './life.js';

// The shim of a detached container tells by itself what it knows: creation, start, signals, end and removal, and programs beside the
// container's own. What only this process knows goes through that shim too, so that all who watch hear everything in one order.

export function tell(life: Life, told: Told): void {
  if (life.isDetached) life.held.task.tell(wordsOf(told));
  else life.own?.tell(told);
}

/** Told just after the container's end. */
export function tellAtEnd(life: Life, told: Told): void {
  if (life.isDetached) life.held.task.tell(wordsOf(told), { atEnd: true });
  else life.own?.tellAtEnd(told);
}
