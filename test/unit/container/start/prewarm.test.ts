import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { FirstPart } from '../../../../lib/container/start/first-part.js';
import type { Prewarm } from '../../../../lib/container/start/prewarm.js';
import { Deferred } from '../../../../lib/native/deferred.js';
import type { Beginning, RunEnd } from '../../../../lib/native/task.js';
import { newId } from '../../../../lib/plan/id.js';
import { type Plan, planOf } from '../../../../lib/plan/plan.js';
import { HandClock } from '../../../fixtures/hand-clock.js';

const CLOCK = '../../../../lib/native/clock.js';
const clock = new HandClock();

let modules: typeof import('../../../../lib/container/start/prewarm.js');

beforeAll(async () => {
  vi.resetModules();
  vi.doMock(CLOCK, async (original) => clock.over(await original<typeof import('../../../../lib/native/clock.js')>()));
  modules = await import('../../../../lib/container/start/prewarm.js');
});

afterAll(() => {
  vi.doUnmock(CLOCK);
  vi.resetModules();
});

/** Notes what a first part is told. */
class Noted implements Beginning {
  over = false;
  begun = 0;
  closed = false;
  readonly plan: Plan;
  constructor(plan: Plan) {
    this.plan = plan;
  }
  go(): void {
    this.begun++;
  }
  goOn(): never {
    throw new Error('not expected');
  }
  goOnEncoded(): never {
    throw new Error('not expected');
  }
  async close(): Promise<void> {
    this.closed = true;
  }
}

let prewarm: Prewarm;
let parts: Noted[];
const shim = {
  startLater(plan: Plan) {
    const part = new Noted(plan);
    parts.push(part);
    return part;
  },
};
const [one, other] = [planOf({}), planOf({ undo: [{ op: 'close', host: true, slot: 1 }] })];
const alike = new Map<Plan, object>([
  [one, {}],
  [other, {}],
]);
const END: RunEnd = Object.create(null);

/** A container of that shape, which is sent and lives until the call. */
function send(plan: Plan, isShimFree = true): { end(livedMs?: number): Promise<void>; fail(): Promise<void> } {
  const [starting, emptied] = [new Deferred<{ emptied: Promise<RunEnd> }>(), new Deferred<RunEnd>()];
  prewarm.hasSent(new FirstPart(newId(), plan), { alike: alike.get(plan) ?? {}, starting: starting.promise, shim, isShimFree });
  return {
    async end(livedMs = 1) {
      clock.ms += livedMs;
      starting.resolve({ emptied: emptied.promise });
      await starting.promise;
      emptied.resolve(END);
      await emptied.promise;
    },
    async fail() {
      starting.reject(new Error('it could not be made'));
      await starting.promise.catch(() => undefined);
    },
  };
}

/** What each part that was sent is at: `made`, only its groups; `begun`, its process too; `closed`. */
const states = (): string[] => parts.map(({ begun, closed }) => (closed ? 'closed' : begun > 0 ? 'begun' : 'made'));

beforeEach(() => {
  prewarm = new modules.Prewarm();
  parts = [];
});

afterEach(() => clock.timers.clear());

it('nothing is made for the first of a shape, nor at its end', async () => {
  await send(one).end();
  expect(states()).toEqual([]);
});

it('the process of the next one is made right behind the second, and the groups of the one after at its end', async () => {
  await send(one).end();
  const second = send(one);
  expect(states()).toEqual(['begun']);
  await second.end();
  expect(states()).toEqual(['begun', 'made']);
  expect(prewarm.take(alike.get(one) ?? {})).toMatchObject({ beginning: parts[0] });
  send(one);
  expect(states()).toEqual(['begun', 'begun']);
});

it('beside a container that is likely to live for long nothing is made before its end', async () => {
  await send(one).end(1000);
  const second = send(one);
  expect(states()).toEqual([]);
  await second.end(1000);
  expect(states()).toEqual(['begun']);
});

it('where the shim has something to do for a container, nothing is made before its end', async () => {
  await send(one).end();
  const second = send(one, false);
  expect(states()).toEqual([]);
  await second.end();
  expect(states()).toEqual(['begun', 'made']);
});

it('the next part begins at an end before those who asked for that container hear of it', async () => {
  await send(one).end(1000);
  const [starting, emptied] = [new Deferred<{ emptied: Promise<RunEnd> }>(), new Deferred<RunEnd>()];
  prewarm.hasSent(new FirstPart(newId(), one), { alike: {}, starting: starting.promise, shim, isShimFree: true });
  clock.ms += 1000;
  starting.resolve({ emptied: emptied.promise });
  await starting.promise;
  const heard = emptied.promise.then(() => states());
  emptied.resolve(END);
  expect(await heard).toEqual(['begun']);
});

it('two shapes have each their own, whichever comes', async () => {
  for (const plan of [one, other, one, other]) await send(plan).end();
  const begun = parts.filter((part) => part.begun > 0);
  expect(begun).toHaveLength(2);
  expect(prewarm.take(alike.get(one) ?? {})?.beginning).toBe(begun[0]);
  expect(prewarm.take(alike.get(other) ?? {})?.beginning).toBe(begun[1]);
});

it('options that are not known get the newest one, which may be given back for another that fits', async () => {
  for (const plan of [one, one, other, other]) await send(plan).end();
  const guessed = prewarm.take({});
  expect(guessed?.beginning).toMatchObject({ plan: other });
  const fitting = prewarm.takeFor(new FirstPart(newId(), one));
  expect(fitting?.beginning).toMatchObject({ plan: one });
  if (guessed) prewarm.giveBack(guessed);
  expect(prewarm.take(alike.get(other) ?? {})).toBe(guessed);
});

it('one that was given back is kept no longer than any other', async () => {
  for (let i = 0; i < 2; i++) await send(one).end();
  send(one);
  const guessed = prewarm.take({});
  clock.pause();
  if (guessed) prewarm.giveBack(guessed);
  clock.pause();
  expect(states()).toEqual(['closed', 'closed']);
});

it('what fails is made anew with the next one', async () => {
  await send(one).end();
  const second = send(one);
  for (const part of parts) part.over = true;
  expect(prewarm.take(alike.get(one) ?? {})).toBeNull();
  await second.end();
  expect(states()).toEqual(['begun', 'begun', 'made']);
});

it('what nobody takes within a while is undone, and the shape forgotten', async () => {
  for (let i = 0; i < 2; i++) await send(one).end();
  clock.pause();
  expect(states()).toEqual(['closed', 'closed']);
  send(one);
  expect(parts).toHaveLength(2);
});

it('beside one that lives for long what waits is undone, and the shape stays known', async () => {
  await send(one).end();
  const second = send(one);
  clock.pause();
  expect(states()).toEqual(['closed']);
  await second.end(2000);
  expect(states()).toEqual(['closed', 'begun']);
});

it('one that could not be made does not keep its shape', async () => {
  await send(one).end();
  await send(one).fail();
  clock.pause();
  expect(states()).toEqual(['closed']);
  send(one);
  expect(parts).toHaveLength(1);
});

it('eight shapes are remembered, and what the oldest had is undone', async () => {
  for (let i = 0; i < 2; i++) await send(one).end();
  for (let slot = 2; slot < 10; slot++) await send(planOf({ undo: [{ op: 'close', host: true, slot }] })).end();
  expect(states()).toEqual(['closed', 'closed']);
});

it('after it was told to forget, nothing is made at the ends of those that live', async () => {
  await send(one).end();
  const second = send(one);
  await prewarm.forget();
  await second.end();
  expect(states()).toEqual(['closed']);
});
