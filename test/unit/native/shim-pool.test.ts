import { inspect } from 'node:util';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Carrier } from '../../../lib/native/carrier.js';
import { Deferred } from '../../../lib/native/deferred.js';
import { FirstParts } from '../../../lib/native/first-parts.js';
import type { SpentMessage } from '../../../lib/native/messages.js';
import { Request, Where } from '../../../lib/native/protocol.js';
import type { RunningTask } from '../../../lib/native/running-task.js';
import { ownTable } from '../../../lib/native/shim-table.js';
import { type Plan, planOf } from '../../../lib/plan/plan.js';

const EIO = 5;
const failure = { where: -4, index: 0, errno: EIO, text: 'what the shim says' };

/** As the shim tells that one has gone which nobody has taken. */
const gone = (name: string, of: Partial<SpentMessage> = {}): SpentMessage => ({ name, hasBegun: true, failure: null, undoFailures: [], ...of });

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
  let parts: FirstParts;
  let next = 2 ** 31;

  const ready = (name: string): RunningTask => {
    return parts.onReady(name, next++);
  };

  beforeEach(() => {
    connection = new Noted();
    parts = new FirstParts(connection, 7, { all: { first: planOf({}), name: 'name' }, count: 2 });
  });

  it('are there when all of them are', async () => {
    let isThere = false;
    const begun = parts.begun.then(() => {
      isThere = true;
    });
    ready('a');
    await Promise.resolve();
    expect([isThere, parts.ready]).toEqual([false, 1]);
    ready('b');
    await begun;
    expect([isThere, parts.ready, connection.references]).toEqual([true, 2, 0]);
  });

  it('are given in their order, each to one', () => {
    const [a, b] = [ready('a'), ready('b')];
    expect(parts.take()).toEqual({ name: 'a', beginning: a });
    expect(parts.take()).toEqual({ name: 'b', beginning: b });
    expect(parts.take()).toBeNull();
    // the shim begins others by itself
    expect(connection.sent).toEqual([[Request.go, 7]]);
  });

  it('that have ended are given to nobody', () => {
    ready('a').onFailed({ failure, undoFailures: [] });
    const b = ready('b');
    expect(parts.ready).toBe(1);
    expect(parts.take()).toEqual({ name: 'b', beginning: b });
    // and another takes the place of the one that has died
    expect(connection.sent).toEqual([[Request.go, 7]]);
  });

  it('are asked for again when one could not be made, once for each that is wanted', async () => {
    parts.onFailed({ failure, undoFailures: [] });
    await expect(parts.begun).rejects.toThrow(/what the shim says/);
    ready('a');
    parts.take();
    expect(connection.sent).toEqual([[Request.go, 7]]);
  });

  it('are closed once, and what could not be undone is told', async () => {
    ready('a');
    const closed = [parts.close(), parts.close()];
    expect(parts.ready).toBe(0);
    expect(parts.take()).toBeNull();
    expect(connection.sent).toEqual([[Request.close, 7]]);
    expect(connection.references).toBe(2);
    await Promise.resolve();
    expect(connection.sent).toEqual([
      [Request.close, 7],
      [Request.release, 7],
    ]);
    parts.onSpent(gone('a', { undoFailures: [failure] }));
    parts.onRemoved();
    for (const one of closed) await expect(one).rejects.toThrow(/what the shim says/);
    expect(connection.references).toBe(0);
  });

  it('are closed at once, and what runs have left is waited for when these have ended', async () => {
    const runs = new Deferred<void>();
    const closed = parts.close(runs.promise);
    await Promise.resolve();
    expect(connection.sent).toEqual([[Request.close, 7]]);
    runs.resolve();
    await runs.promise;
    expect(connection.sent.at(-1)).toEqual([Request.release, 7]);
    parts.onRemoved();
    await closed;
  });

  it('go with the connection', async () => {
    ready('a');
    parts.onLost(new Error('it has gone'));
    expect([parts.ready, parts.take()]).toEqual([0, null]);
    await expect(parts.begun).rejects.toThrow('it has gone');
    await parts.close();
    expect(connection.sent).toEqual([]);
  });

  it('that are sent one by one have their own words, and are told of when nobody has taken them', async () => {
    const spent: [string, boolean][] = [];
    parts = new FirstParts(connection, 7, { all: null, count: 2, onSpent: (name, hasBegun) => void spent.push([name, hasBegun]) });
    for (const name of ['a', 'b', 'c']) parts.add({ name, first: named(name) }, new Map());
    expect(connection.sent).toEqual([1, 2, 3].map(() => [Request.part, 7]));
    const a = ready('a');
    expect(parts.take()).toEqual({ name: 'a', beginning: a });
    const begun = expect(parts.begun).rejects.toThrow('/of/b');
    parts.onSpent(gone('b', { failure: { ...failure, where: Where.prepare } }));
    parts.onSpent(gone('c', { hasBegun: false }));
    parts.onSpent(gone('a', { undoFailures: [failure] }));
    expect(spent).toEqual([
      ['b', true],
      ['c', false],
    ]);
    await begun;
    // what is left of one that was taken is told to whoever has it
    const closed = parts.close();
    parts.onRemoved();
    await closed;
  });

  it('that were sent one by one and could not be undone are each named, also one that has died while it waited', async () => {
    parts = new FirstParts(connection, 7, { all: null, count: 2 });
    for (const name of ['a', 'b', 'c']) parts.add({ name, first: named(name) }, new Map());
    const undoFailures = [{ ...failure, where: Where.undo }];
    parts.onSpent(gone('b', { undoFailures }));
    const closed = parts.close();
    for (const name of ['c', 'a']) parts.onSpent(gone(name, { undoFailures }));
    parts.onRemoved();
    const error: unknown = await closed.catch((reason: unknown) => reason);
    const told = inspect(error);
    for (const name of ['a', 'b', 'c']) expect(told).toContain(`/of/${name}`);
  });
});
