import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ParsedOptions } from '../../../../lib/container/options/container-options.js';
import { type Joined, JoinedAhead } from '../../../../lib/container/pool/joined-ahead.js';
import type { ParkedContainer } from '../../../../lib/container/pool/parked-container.js';
import { Deferred } from '../../../../lib/native/deferred.js';
import { endSpareUses } from '../../../../lib/store/spare-uses.js';

const OPTIONS: ParsedOptions = Object.create(null);

/** What was done, in its order. */
let done: string[];
/** What the next call waits for. */
let calls: Deferred<void> | null;
let isRefused: boolean;

function container(name: string, state: 'waiting' | 'joined'): ParkedContainer {
  const note = (what: string) => (): void => void done.push(`${what} ${name}`);
  const called = (what: string) => async () => {
    note(what)();
    await calls?.promise;
    if (isRefused) throw new Error('no');
  };
  const fake = {
    state,
    networks: state === 'waiting' ? null : { release: note('release the networks of') },
    release: note('release'),
    parked: {
      name,
      beginning: { callEncoded: called('link'), call: called('unlink'), close: async () => void done.push(`close ${name}`) },
    },
  };
  return Object.assign(Object.create(null), fake, { forRun: () => Object.assign(Object.create(null), fake) });
}

const joins = async ({ parked: { name } }: ParkedContainer): Promise<Joined> => ({
  container: container(name, 'joined'),
  links: { make: { body: new Uint8Array(), slots: 0, steps: () => [] }, remove: () => [] },
});

let ahead: JoinedAhead;
let taken: number;

beforeEach(() => {
  done = [];
  calls = null;
  isRefused = false;
  taken = 0;
  ahead = new JoinedAhead(joins);
});

afterEach(() => ahead.close());

const take = async (): Promise<ParkedContainer> => container(`c${++taken}`, 'waiting');
const state = (one: ParkedContainer | null): unknown => (one === null ? null : Reflect.get(one, 'state'));

async function linked(): Promise<void> {
  ahead.begin(take);
  await ahead.settled();
  ahead.link();
  await ahead.settled();
}

/** Resolves when one is about to get its links, which waits for what this gives. */
async function linking(): Promise<Deferred<void>> {
  const under = new Deferred<void>();
  calls = under;
  ahead.begin(take);
  await ahead.settled();
  ahead.link();
  return under;
}

describe('the container of the next run', () => {
  it('has an address while a run goes on, and gets its links once that has ended', async () => {
    ahead.begin(take);
    await ahead.settled();
    expect(ahead.ready).toBe(1);
    expect(done).toEqual([]);
    ahead.link();
    ahead.link();
    expect(done).toEqual(['link c1']);
    expect(state(ahead.take(OPTIONS))).toBe('joined');
    expect(ahead.take(OPTIONS)).toBeNull();
  });

  it('gets its links also where it has joined only then', async () => {
    ahead.begin(take);
    ahead.link();
    await ahead.settled();
    expect(done).toEqual(['link c1']);
  });

  it('is taken as it is by a run that comes before it gets its links, which makes them', async () => {
    ahead.begin(take);
    await ahead.settled();
    expect(state(ahead.take(OPTIONS))).toBe('joined');
    ahead.link();
    await ahead.settled();
    expect(done).toEqual([]);
  });

  it('is taken while it gets its links, and is that run’s also where it can’t have these', async () => {
    isRefused = true;
    const under = await linking();
    ahead.begin(take);
    expect([taken, ahead.ready]).toEqual([1, 1]);
    expect(state(ahead.take(OPTIONS))).toBe('joined');
    under.resolve();
    ahead.begin(take);
    await ahead.settled();
    expect(done).toEqual(['link c1']);
    expect([taken, ahead.ready]).toEqual([2, 1]);
  });

  it('goes with its address where it can’t have its links, and no other joins', async () => {
    isRefused = true;
    await linked();
    expect(done).toEqual(['link c1', 'close c1', 'release c1']);
    expect([ahead.ready, ahead.take(OPTIONS)]).toEqual([0, null]);
    ahead.begin(take);
    await ahead.settled();
    expect(taken).toBe(1);
  });

  it('gives back links and address to whoever wants these, and waits on without', async () => {
    await linked();
    await Promise.all([endSpareUses('addresses'), endSpareUses('addresses')]);
    expect(done).toEqual(['link c1', 'unlink c1', 'release the networks of c1']);
    expect(state(ahead.take(OPTIONS))).toBe('waiting');
  });

  it('gives them back also in the middle of its linking', async () => {
    const under = await linking();
    const left = endSpareUses('addresses');
    under.resolve();
    await left;
    expect(done).toEqual(['link c1', 'unlink c1', 'release the networks of c1']);
  });

  it('goes where whoever wants them comes in the middle of a linking that fails', async () => {
    isRefused = true;
    const under = await linking();
    const left = endSpareUses('addresses');
    under.resolve();
    await left;
    expect(done).toEqual(['link c1', 'close c1', 'release c1', 'release the networks of c1']);
    expect(ahead.ready).toBe(0);
  });

  it('gets none while it gives all back', async () => {
    ahead.begin(take);
    await ahead.settled();
    const left = endSpareUses('addresses');
    await Promise.resolve();
    ahead.link();
    await left;
    ahead.link();
    expect(done).toEqual(['release the networks of c1']);
    expect(state(ahead.take(OPTIONS))).toBe('waiting');
  });

  it('goes where it can’t give up its links', async () => {
    await linked();
    isRefused = true;
    await endSpareUses('addresses');
    expect(done).toEqual(['link c1', 'unlink c1', 'close c1', 'release c1', 'release the networks of c1']);
    expect(ahead.ready).toBe(0);
  });

  it('gives all back at the end, and no other joins', async () => {
    await linked();
    await ahead.close();
    expect(done).toEqual(['link c1', 'unlink c1', 'release the networks of c1', 'close c1', 'release c1']);
    ahead.begin(take);
    expect(taken).toBe(1);
  });
});
