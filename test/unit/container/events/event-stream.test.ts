import { describe, expect, it, vi } from 'vitest';
import { EventStream } from '../../../../lib/container/events/event-stream.js';
import { eventOf } from '../../../../lib/container/events/happenings.js';
import type { ContainerEvent } from '../../../../lib/container/options/event-types.js';

const container = { id: 'a', name: null, labels: {} };
const event = (at: number, lost = 0): ContainerEvent => eventOf(container, { type: 'pause' }, { at, lost });

function stream() {
  const hooks = { onWaiting: vi.fn<(isWaiting: boolean) => void>(), onEnd: vi.fn<() => void>() };
  return { ...hooks, events: new EventStream(hooks) };
}

describe('a stream of events', () => {
  it('gives them in order, those that came before as well as those that are waited for', async () => {
    const { events } = stream();
    events.push(event(1));
    events.push(event(2));
    const taken = [events.next(), events.next(), events.next()];
    events.push(event(3));
    const values = await Promise.all(taken);
    expect(values.map(({ value }) => value.time.getTime())).toEqual([1, 2, 3]);
  });

  it('leaves out the oldest of too many and says how many, with those that were lost before', async () => {
    const { events } = stream();
    events.push(event(0, 5));
    for (let at = 1; at <= 1026; at++) events.push(event(at, at === 1026 ? 7 : 0));
    const first = await events.next();
    expect(first.value).toMatchObject({ time: new Date(3), lost: 3 + 5 });
    let last = first;
    for (let count = 1; count < 1024; count++) last = await events.next();
    expect(last.value).toMatchObject({ time: new Date(1026), lost: 7 });
  });

  it('says when somebody waits and when nobody does', async () => {
    const { events, onWaiting } = stream();
    const [one, two] = [events.next(), events.next()];
    events.push(event(1));
    await one;
    expect(onWaiting.mock.calls).toEqual([[true]]);
    events.push(event(2));
    await two;
    expect(onWaiting.mock.calls).toEqual([[true], [false]]);
  });

  it('throws its error once, to one that waits or to the next one, and then is at its end', async () => {
    for (const waits of [true, false]) {
      const { events, onEnd } = stream();
      const error = new Error('over');
      events.push(event(1));
      await events.next();
      const early = waits ? [events.next(), events.next()] : [];
      events.fail(error);
      events.fail(new Error('a second one'));
      const [first = events.next(), second = events.next()] = early;
      await expect(first).rejects.toBe(error);
      expect(await second).toEqual({ done: true, value: undefined });
      expect(await events.next()).toEqual({ done: true, value: undefined });
      expect(onEnd).toHaveBeenCalledTimes(1);
    }
  });

  it('is at its end once it is left, whatever comes then', async () => {
    const { events, onEnd } = stream();
    events.push(event(1));
    await events.return();
    events.push(event(2));
    events.fail(new Error('late'));
    expect(await events.next()).toEqual({ done: true, value: undefined });
    expect(onEnd).toHaveBeenCalledTimes(1);
  });
});
