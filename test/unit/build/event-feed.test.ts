import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { EventFeed } from '../../../lib/build/execute/event-feed.js';

/** How many of the promises are over, when all that can go on has gone on. */
async function over(promises: readonly Promise<unknown>[]): Promise<number> {
  let count = 0;
  for (const promise of promises) void promise.then(() => count++);
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  return count;
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** A reader who has taken one event, and no more. */
async function oneRead(feed: EventFeed<number>): Promise<AsyncGenerator<number, void, undefined>> {
  const reader = feed.read();
  const first = reader.next();
  await feed.tell(-1);
  expect(await first).toEqual({ done: false, value: -1 });
  return reader;
}

test('nobody is waited for where nobody reads, and nothing is kept', async () => {
  const feed = new EventFeed<number>();
  // has not begun to read
  const reader = feed.read();
  expect(await over(numbers(1000).map((number) => feed.tell(number)))).toBe(1000);
  feed.end();
  expect(await reader.next()).toEqual({ done: true, value: undefined });
});

test('who tells waits while a reader has 64 events to read', async () => {
  const feed = new EventFeed<number>();
  const reader = await oneRead(feed);
  const told = numbers(63).map((number) => feed.tell(number));
  expect(await over(told)).toBe(63);
  const next = feed.tell(63);
  expect(await over([next])).toBe(0);
  expect(await reader.next()).toEqual({ done: false, value: 0 });
  expect(await over([next])).toBe(1);
  feed.offer(64);
  // there was no room for this one
  feed.offer(65);
  feed.end();
  const rest: number[] = [];
  for await (const number of reader) rest.push(number);
  expect(rest).toEqual(numbers(65).slice(1));
});

test.each<[string, (feed: EventFeed<number>, reader: AsyncGenerator<number>) => unknown]>([
  ['the reader goes', (_, reader) => reader.return(undefined)],
  ['it is to be quick', (feed) => feed.hurry()],
  ['it is the end', (feed) => feed.end()],
])('who waits goes on when %s', async (_, act) => {
  const feed = new EventFeed<number>();
  const reader = await oneRead(feed);
  const told = numbers(100).map((number) => feed.tell(number));
  expect(await over(told)).toBe(63);
  await act(feed, reader);
  expect(await over(told)).toBe(100);
});

test('each reader gets all from its first call on', async () => {
  const feed = new EventFeed<number>();
  const [one, two] = [feed.read(), feed.read()];
  const first = one.next();
  await feed.tell(1);
  const second = two.next();
  await feed.tell(2);
  feed.end();
  expect([await first, await one.next(), await one.next()].map(({ value }) => value)).toEqual([1, 2, undefined]);
  expect([await second, await two.next()].map(({ value }) => value)).toEqual([2, undefined]);
});
