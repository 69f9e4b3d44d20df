import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { type ParsedOptions, parseAnew } from '../../../../lib/container/options/container-options.js';
import type { ParkedAhead } from '../../../../lib/container/pool/parked-ahead.js';
import type { ParkedContainer } from '../../../../lib/container/pool/parked-container.js';
import type { ParkedShape, Waiting } from '../../../../lib/container/pool/parked-shape.js';
import { Deferred } from '../../../../lib/native/deferred.js';
import type { RunEnd } from '../../../../lib/native/task.js';
import { HandClock } from '../../../fixtures/hand-clock.js';

const CLOCK = '../../../../lib/native/clock.js';
const clock = new HandClock();

let modules: typeof import('../../../../lib/container/pool/parked-ahead.js');

beforeAll(async () => {
  vi.resetModules();
  vi.doMock(CLOCK, async (original) => clock.over(await original<typeof import('../../../../lib/native/clock.js')>()));
  modules = await import('../../../../lib/container/pool/parked-ahead.js');
});

afterAll(() => {
  vi.doUnmock(CLOCK);
  vi.resetModules();
});

/** Containers that wait in no shim. */
class Noted implements Waiting {
  ready = 0;
  wanted: number;
  hasFailed = false;
  isWatched = true;
  isAsIs = true;
  isClosed = false;
  /** How often the container of the next run was to join its networks, and to get its links. */
  joined = 0;
  linked = 0;
  /** What its end waits for. */
  gone: Promise<void> = Promise.resolve();
  /** What a look at the image waits for. */
  looked: Promise<void> = Promise.resolve();
  constructor(count: number) {
    this.wanted = count;
  }
  async isCurrent(): Promise<boolean> {
    await this.looked;
    return this.isAsIs;
  }
  want(count: number): void {
    this.wanted = count;
  }
  take(): ParkedContainer | null {
    if (this.ready === 0) return null;
    this.ready--;
    return TAKEN;
  }
  async takeNext(): Promise<ParkedContainer | null> {
    this.ready = Math.max(this.ready, 1);
    return this.take();
  }
  joinAhead(): void {
    this.joined++;
  }
  linkAhead(): void {
    this.linked++;
  }
  async close(): Promise<void> {
    await this.gone;
    this.isClosed = true;
  }
}

const TAKEN: ParkedContainer = Object.create(null);
const END: RunEnd = Object.create(null);

let parkedAhead: ParkedAhead;
let made: Noted[];
/** What begins next fails. */
let isRefused: boolean;

beforeEach(() => {
  made = [];
  isRefused = false;
  parkedAhead = new modules.ParkedAhead(async (_, count) => {
    if (isRefused) throw new Error('it could not be begun');
    const noted = new Noted(count);
    made.push(noted);
    return noted;
  });
});

afterEach(() => clock.timers.clear());

const shapes = new Map<string, ParsedOptions>();

function options(name = 'one'): ParsedOptions {
  const parsed = shapes.get(name) ?? parseAnew({ image: `dir:/${name}`, command: ['true'] }, () => true);
  shapes.set(name, parsed);
  return parsed;
}

interface Run {
  readonly shape: ParkedShape;
  readonly taken: ParkedContainer | null;
  end(livedMs?: number): Promise<void>;
}

/** A run that has its container. */
async function begin(name = 'one', of: ParsedOptions = options(name)): Promise<Run> {
  const shape = parkedAhead.shapeOf(of);
  if (shape === null) throw new Error('nothing is parked for it');
  shape.began();
  const taken = await shape.take(of);
  const emptied = new Deferred<RunEnd>();
  shape.started({ emptied: emptied.promise });
  return {
    shape,
    taken,
    end: async (livedMs = 1) => {
      clock.ms += livedMs;
      emptied.resolve(END);
      await settled();
    },
  };
}

/** What is begun is there. */
const settled = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));

async function run(name = 'one', livedMs = 1): Promise<ParkedContainer | null> {
  const { taken, end } = await begin(name);
  await end(livedMs);
  return taken;
}

/** What is at each that was begun: how many it is to keep, or that it is closed. */
const states = (): (number | 'closed')[] => made.map(({ isClosed, wanted }) => (isClosed ? 'closed' : wanted));

it('parks nothing at the end of the first, and one at that of the second, which the third takes', async () => {
  expect(await run()).toBeNull();
  expect(states()).toEqual([]);
  expect(await run()).toBeNull();
  expect(states()).toEqual([1]);
  expect(await run()).toBe(TAKEN);
  expect(made).toHaveLength(1);
});

it('parks none for a run that comes a second later', async () => {
  await run();
  clock.pause();
  await run();
  expect(states()).toEqual([]);
});

it('parks none after runs that live for long, also where the runs before were short', async () => {
  for (let i = 0; i < 3; i++) await run('one', 101);
  expect(states()).toEqual([]);
  await run('one', 100);
  expect(states()).toEqual([1]);
  await run('one', 101);
  expect(states()).toEqual(['closed']);
});

it('undoes what nobody takes within a second, and begins anew', async () => {
  for (let i = 0; i < 2; i++) await run();
  clock.pause();
  await settled();
  expect(states()).toEqual(['closed']);
  await run();
  expect(states()).toEqual(['closed']);
  await run();
  expect(states()).toEqual(['closed', 1]);
});

it('keeps more where a single run finds none, and no more than four', async () => {
  for (let i = 0; i < 6; i++) await run();
  expect(states()).toEqual([4]);
});

it('has the next one join its networks while a run goes on, unless none is likely or there is a crowd', async () => {
  const sent = async (): Promise<number> => {
    const { shape, end } = await begin();
    shape.joinAhead();
    await end();
    return made.reduce((sum, { joined }) => sum + joined, 0);
  };
  expect([await sent(), await sent(), await sent(), await sent()]).toEqual([0, 0, 1, 2]);
  // at the end of each run beside which one waits
  expect(made.map((one) => one.linked)).toEqual([2]);
  const others = [await begin(), await begin()];
  expect(await sent()).toBe(2);
  for (const { end } of others) await end();
  expect(await sent()).toBe(3);
  await run('one', 101);
  expect(await sent()).toBe(3);
});

it('has undone what waited of a shape that is not remembered any more, too', async () => {
  for (let i = 0; i < 2; i++) await run();
  const gone = new Deferred<void>();
  for (const one of made) one.gone = gone.promise;
  clock.pause();
  let isUndone = false;
  const undone = parkedAhead.undo().then(() => {
    isUndone = true;
  });
  await settled();
  expect([isUndone, states()]).toEqual([false, [1]]);
  gone.resolve();
  await undone;
  expect(states()).toEqual(['closed']);
});

it('undoes what waits when the runs that have taken one are on their way', async () => {
  for (let i = 0; i < 2; i++) await run();
  const launched = new Deferred<void>();
  parkedAhead.shapeOf(options())?.launching(launched.promise);
  const undone = parkedAhead.undo();
  await settled();
  expect(states()).toEqual([1]);
  launched.resolve();
  await undone;
  expect(states()).toEqual(['closed']);
});

it('gives up where two were parked in vain, unless a run has taken one', async () => {
  const inVain = async (): Promise<void> => {
    for (let i = 0; i < 2; i++) await run();
    clock.pause();
    await settled();
  };
  await inVain();
  for (let i = 0; i < 3; i++) await run();
  expect(made).toHaveLength(2);
  clock.pause();
  for (let i = 0; i < 4; i++) await inVain();
  expect(made).toHaveLength(4);
});

it('tries once more where one could not be begun', async () => {
  isRefused = true;
  for (let i = 0; i < 2; i++) await run();
  isRefused = false;
  await run();
  expect(states()).toEqual([1]);
  expect(await run()).toBe(TAKEN);
});

it('makes none of what cannot be watched', async () => {
  for (let i = 0; i < 2; i++) await run();
  await parkedAhead.forget();
  parkedAhead = new modules.ParkedAhead(async (_, count) => {
    const noted = new Noted(count);
    noted.isWatched = false;
    made.push(noted);
    return noted;
  });
  made = [];
  for (let i = 0; i < 5; i++) expect(await run()).toBeNull();
  expect(states()).toEqual(['closed']);
});

it('discards what would be another now, and has others in its place at the end of that run', async () => {
  for (let i = 0; i < 2; i++) await run();
  for (const one of made) one.isAsIs = false;
  const { taken, end } = await begin();
  expect(taken).toBeNull();
  expect(states()).toEqual(['closed']);
  await end();
  expect(states()).toEqual(['closed', 1]);
});

/** Begins the third run of a shape, whose look at the image waits for the test. */
async function slowly() {
  for (let i = 0; i < 2; i++) await run();
  const looked = new Deferred<void>();
  const [first] = made;
  if (first) first.looked = looked.promise;
  const slow = begin();
  await settled();
  return { looked, slow };
}

it('discards what it has looked at, and not what is there since', async () => {
  const { looked, slow } = await slowly();
  await parkedAhead.undo();
  await run();
  expect(states()).toEqual(['closed', 1]);
  looked.reject(new Error('it could not be looked at'));
  expect((await slow).taken).toBeNull();
  expect(states()).toEqual(['closed', 1]);
});

it('wants none in a crowd, and some again when that is over', async () => {
  for (let i = 0; i < 2; i++) await run();
  const crowd = [await begin(), await begin(), await begin()];
  expect(states()).toEqual([0]);
  for (const one of crowd) await one.end();
  expect(made).toHaveLength(1);
  expect(states()[0]).toBeGreaterThan(0);
});

it('sees a crowd that has come while it looked', async () => {
  const { looked, slow } = await slowly();
  // nothing waits, so these do not look
  const crowd = [begin(), begin()];
  await settled();
  looked.resolve();
  expect((await slow).taken).toBeNull();
  for (const one of crowd) expect((await one).taken).toBeNull();
  expect(states()).toEqual([0]);
});

it('takes none for a run that was cancelled while it looked', async () => {
  for (let i = 0; i < 2; i++) await run();
  const [first] = made;
  const looked = new Deferred<void>();
  if (first) Object.assign(first, { looked: looked.promise, ready: 1 });
  const controller = new AbortController();
  const of = { ...options(), process: { ...options().process, cancelSignal: controller.signal } };
  const cancelled = begin('one', of);
  await settled();
  controller.abort();
  looked.resolve();
  expect((await cancelled).taken).toBeNull();
  expect([first?.ready, ...states()]).toEqual([1, 1]);
});

it('goes though a launch that has failed was the last run of its shape, however late', async () => {
  for (let i = 0; i < 2; i++) await run();
  const of = options();
  const shape = parkedAhead.shapeOf(of);
  shape?.began();
  clock.pause();
  shape?.failed();
  clock.pause();
  await settled();
  expect(states()).toEqual(['closed']);
  // the shape is forgotten: two are needed again
  expect(parkedAhead.shapeOf(of)?.isLikely).toBe(false);
});

it('keeps no more than eight of all shapes: those of the oldest go', async () => {
  for (const name of ['a', 'b', 'c']) for (let i = 0; i < 6; i++) await run(name);
  expect(states()).toEqual(['closed', 4, 4]);
});

it('parks nothing for a second where a shape falls out of the eight that was to be used again', async () => {
  const names = Array.from({ length: 9 }, (_, i) => `${i}`);
  for (const name of names.slice(0, 8)) for (let i = 0; i < 2; i++) await run(name);
  expect(parkedAhead.shapeOf(options('8'))).not.toBeNull();
  await settled();
  expect(made[0]?.isClosed).toBe(true);
  expect(parkedAhead.shapeOf(options('1'))).toBeNull();
  clock.pause();
  expect(parkedAhead.shapeOf(options('1'))).not.toBeNull();
});

it('goes on where a shape falls out that was used once', async () => {
  for (let i = 0; i < 9; i++) await run(`once ${i}`);
  expect(parkedAhead.shapeOf(options('once 1'))).not.toBeNull();
});

it('parks nothing at the ends of those that live when it was told to forget', async () => {
  await run();
  const second = await begin();
  await parkedAhead.forget();
  await second.end();
  expect(states()).toEqual([]);
});
