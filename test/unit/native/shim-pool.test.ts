import { inspect } from 'node:util';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Carrier } from '../../../lib/native/carrier.js';
import { Deferred } from '../../../lib/native/deferred.js';
import type { SpentMessage } from '../../../lib/native/messages.js';
import { Request, Where } from '../../../lib/native/protocol.js';
import type { RunningTask } from '../../../lib/native/running-task.js';
import { ShimPool } from '../../../lib/native/shim-pool.js';
import { ownTable } from '../../../lib/native/shim-table.js';
import { type Plan, planOf } from '../../../lib/plan/plan.js';

const EIO = 5;
const failure = { where: -4, index: 0, errno: EIO, text: 'what the shim says' };

/** As the shim tells that one has gone which nobody has taken. */
const gone = (name: string, of: Partial<SpentMessage> = {}): SpentMessage => ({
  name,
  hasBegun: true,
  failure: null,
  undoFailures: [],
  ...of,
});

/** A connection that notes what is sent, with the references that are held to it. */
class Noted implements Carrier {
  readonly sent: [type: number, id: number][] = [];
  references = 0;
  readonly table = ownTable;
  send(type: number, id: number): void {
    this.sent.push([type, id]);
  }
  ref(): void {
    this.references++;
  }
  unref(): void {
    this.references--;
  }
  forget(): void {}
  startPlan(): never {
    throw new Error('nothing is started');
  }
}

function named(name: string): Plan {
  const folder = { host: true, root: -1, path: `/of/${name}` } as const;
  return planOf({
    prepare: [{ op: 'mkdir', ...folder, out: -1, mode: 0, uid: 0, gid: 0 }],
    undo: [{ op: 'mkdir', ...folder, out: -1, mode: 0, uid: 0, gid: 0 }],
  });
}

describe('first parts that wait in the shim', () => {
  let connection: Noted;
  let pool: ShimPool;
  let next = 2 ** 31;

  const ready = (name: string): RunningTask => {
    return pool.onReady(name, next++);
  };

  beforeEach(() => {
    connection = new Noted();
    pool = new ShimPool(connection, 7, { all: { first: planOf({}), name: 'name' }, count: 2 });
  });

  it('are there when all of them are', async () => {
    let isThere = false;
    const begun = pool.begun.then(() => {
      isThere = true;
    });
    ready('a');
    await Promise.resolve();
    expect([isThere, pool.ready]).toEqual([false, 1]);
    ready('b');
    await begun;
    expect([isThere, pool.ready, connection.references]).toEqual([true, 2, 0]);
  });

  it('are given in their order, each to one', () => {
    const [a, b] = [ready('a'), ready('b')];
    expect(pool.take()).toEqual({ name: 'a', beginning: a });
    expect(pool.take()).toEqual({ name: 'b', beginning: b });
    expect(pool.take()).toBeNull();
    // the shim begins others by itself
    expect(connection.sent).toEqual([[Request.go, 7]]);
  });

  it('that have ended are given to nobody', () => {
    ready('a').onFailed({ failure, undoFailures: [] });
    const b = ready('b');
    expect(pool.ready).toBe(1);
    expect(pool.take()).toEqual({ name: 'b', beginning: b });
    // and another takes the place of the one that has died
    expect(connection.sent).toEqual([[Request.go, 7]]);
  });

  it('are asked for again when one could not be made, once for each that is wanted', async () => {
    pool.onFailed({ failure, undoFailures: [] });
    await expect(pool.begun).rejects.toThrow(/what the shim says/);
    ready('a');
    pool.take();
    expect(connection.sent).toEqual([[Request.go, 7]]);
  });

  it('keep nobody waiting for the next one when none is wanted any more', async () => {
    const next = pool.takeNext();
    pool.want(0);
    expect(await next).toBeNull();
    // nor whoever asks then
    expect(await pool.takeNext()).toBeNull();
    expect(connection.references).toBe(0);
  });

  it('are left to the others by whoever was cancelled while waiting for the next one', async () => {
    const controller = new AbortController();
    const [cancelled, other] = [pool.takeNext(controller.signal), pool.takeNext()];
    controller.abort();
    expect(await cancelled).toBeNull();
    const a = ready('a');
    expect(await other).toEqual({ name: 'a', beginning: a });
    ready('b');
    expect(await pool.takeNext(AbortSignal.abort())).toBeNull();
    expect([pool.ready, connection.references]).toEqual([1, 0]);
  });

  it('are closed once, and what could not be undone is told', async () => {
    ready('a');
    const closed = [pool.close(), pool.close()];
    expect(pool.ready).toBe(0);
    expect(pool.take()).toBeNull();
    expect(connection.sent).toEqual([[Request.close, 7]]);
    expect(connection.references).toBe(2);
    await Promise.resolve();
    expect(connection.sent).toEqual([
      [Request.close, 7],
      [Request.release, 7],
    ]);
    pool.onSpent(gone('a', { undoFailures: [failure] }));
    pool.onRemoved();
    for (const one of closed) await expect(one).rejects.toThrow(/what the shim says/);
    expect(connection.references).toBe(0);
  });

  it('are closed at once, and what runs have left is waited for when these have ended', async () => {
    const runs = new Deferred<void>();
    const closed = pool.close(runs.promise);
    await Promise.resolve();
    expect(connection.sent).toEqual([[Request.close, 7]]);
    runs.resolve();
    await runs.promise;
    expect(connection.sent.at(-1)).toEqual([Request.release, 7]);
    pool.onRemoved();
    await closed;
  });

  it('go with the connection', async () => {
    ready('a');
    pool.onLost(new Error('it has gone'));
    expect([pool.ready, pool.take()]).toEqual([0, null]);
    await expect(pool.begun).rejects.toThrow('it has gone');
    await pool.close();
    expect(connection.sent).toEqual([]);
  });

  it('that are sent one by one have their own words, and are told of when nobody has taken them', async () => {
    const spent: [string, boolean][] = [];
    pool = new ShimPool(connection, 7, { all: null, count: 2, onSpent: (name, hasBegun) => void spent.push([name, hasBegun]) });
    for (const name of ['a', 'b', 'c']) void pool.add({ name, first: named(name) }, new Map());
    expect(connection.sent).toEqual([1, 2, 3].map(() => [Request.part, 7]));
    const a = ready('a');
    expect(pool.take()).toEqual({ name: 'a', beginning: a });
    const begun = expect(pool.begun).rejects.toThrow('/of/b');
    pool.onSpent(gone('b', { failure: { ...failure, where: Where.prepare } }));
    pool.onSpent(gone('c', { hasBegun: false }));
    pool.onSpent(gone('a', { undoFailures: [failure] }));
    expect(spent).toEqual([
      ['b', true],
      ['c', false],
    ]);
    await begun;
    // what is left of one that was taken is told to whoever has it
    const closed = pool.close();
    pool.onRemoved();
    await closed;
  });

  it('that were sent one by one and could not be undone are each named, also one that has died while it waited', async () => {
    pool = new ShimPool(connection, 7, { all: null, count: 2 });
    for (const name of ['a', 'b', 'c']) void pool.add({ name, first: named(name) }, new Map());
    const undoFailures = [{ ...failure, where: Where.undo }];
    pool.onSpent(gone('b', { undoFailures }));
    const closed = pool.close();
    for (const name of ['c', 'a']) pool.onSpent(gone(name, { undoFailures }));
    pool.onRemoved();
    const error: unknown = await closed.catch((reason: unknown) => reason);
    const told = inspect(error);
    for (const name of ['a', 'b', 'c']) expect(told).toContain(`/of/${name}`);
  });

  it('keep nobody waiting for them that were closed before all waited', async () => {
    ready('a');
    const begun = expect(pool.begun).rejects.toMatchObject({ code: 'ERR_STATE' });
    expect(connection.references).toBe(1);
    const closed = pool.close();
    pool.onRemoved();
    await closed;
    await begun;
    expect(connection.references).toBe(0);
  });

  it('keep no event loop alive for whoever only hears of them', async () => {
    let calls = 0;
    pool.whenBegun(() => calls++);
    expect(connection.references).toBe(0);
    for (const name of ['a', 'b']) ready(name);
    await pool.begun;
    expect(calls).toBe(1);
  });

  it('are not all there where one has died while it waited', async () => {
    const begun = expect(pool.begun).rejects.toThrow(/what the shim says/);
    ready('a').onFailed({ failure, undoFailures: [] });
    ready('b');
    expect(pool.hasFailed).toBe(true);
    pool.onSpent(gone('a', { failure }));
    await begun;
  });

  it.each<[string, (pool: ShimPool) => unknown]>([
    ['waits', (of) => of.onReady('a', next++)],
    ['has gone', (of) => of.onSpent(gone('a'))],
    ['waits until others are asked for', (of) => of.onFailed({ failure, undoFailures: [] })],
    ['is undone with all', (of) => of.onRemoved()],
    ['has gone with the connection', (of) => of.onLost(new Error('it has gone'))],
  ])('tell whoever has sent one when it %s', async (_, tell) => {
    pool = new ShimPool(connection, 7, { all: null, count: 2 });
    let isSettled = false;
    const settled = pool.add({ name: 'a', first: named('a') }, new Map()).then(() => {
      isSettled = true;
    });
    await Promise.resolve();
    expect(isSettled).toBe(false);
    tell(pool);
    await settled;
  });

  it('tell of one that came without its name', () => {
    const failed: boolean[] = [];
    pool = new ShimPool(connection, 7, { all: null, count: 2, onFailed: (isUnread) => failed.push(isUnread) });
    pool.onFailed({ failure, undoFailures: [] });
    pool.onSpent(gone('', { hasBegun: false }));
    expect(failed).toEqual([false, true]);
  });
});
