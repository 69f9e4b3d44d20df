import { expect, it } from 'vitest';
import { FirstPart, Prewarm } from '../../../../lib/container/start/prewarm.js';
import type { Beginning } from '../../../../lib/native/task.js';
import { newId } from '../../../../lib/plan/id.js';
import { planOf } from '../../../../lib/plan/plan.js';

/** Notes what a first part is told. */
class Noted implements Beginning {
  readonly over = false;
  begun = 0;
  go(): void {
    this.begun++;
  }
  goOn(): never {
    throw new Error('not expected');
  }
  goOnEncoded(): never {
    throw new Error('not expected');
  }
  async close(): Promise<void> {}
}

it('the next first part begins when a container has ended, before anybody hears of that', async () => {
  const [prewarm, beginning] = [new Prewarm(), new Noted()];
  const shim = { startLater: () => beginning };
  prewarm.hasBegun(new FirstPart(newId(), planOf({})), new Promise(() => undefined), shim);
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  prewarm.hasBegun(new FirstPart(newId(), planOf({})), ended, shim);
  await Promise.resolve();
  expect(beginning.begun).toBe(0);
  // as whoever makes the result hears of it
  const heard = ended.then(() => beginning.begun);
  end();
  expect(await heard).toBe(1);
  await prewarm.undo();
});
