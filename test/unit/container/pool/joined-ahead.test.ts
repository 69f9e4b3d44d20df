import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ParsedOptions } from '../../../../lib/container/options/container-options.js';
import { type Joined, JoinedAhead, type SentRun } from '../../../../lib/container/pool/joined-ahead.js';
import type { ParkedContainer } from '../../../../lib/container/pool/parked-container.js';
import { Deferred } from '../../../../lib/native/deferred.js';
import { endSpareUses } from '../../../../lib/store/spare-uses.js';

const OPTIONS: ParsedOptions = Object.create(null);
const SENT: SentRun = Object.create(null);
const MAKE = [{ op: 'pause' }] as const;
const REMOVE = [{ op: 'close', slot: 1 }] as const;

/** What was done, in its order. */
let done: string[];
/** What the next call waits for. */
let calls: Deferred<void> | null;
let isRefused: boolean;

function container(name: string, state: 'waiting' | 'joined' | 'linked'): ParkedContainer {
  const note = (what: string) => (): void => void done.push(`${what} ${name}`);
  const fake = {
    state,
    isLinked: state === 'linked',
    networks: state === 'waiting' ? null : { release: note('release the networks of') },
    release: note('release'),
    forRun: () => fake,
    parked: {
      name,
      beginning: {
        async call(steps: unknown) {
          done.push(`${steps === MAKE ? 'link' : 'unlink'} ${name}`);
          await calls?.promise;
          if (isRefused) throw new Error('no');
        },
        close: async () => void done.push(`close ${name}`),
      },
    },
  };
  return Object.assign(Object.create(null), fake, { forRun: () => Object.assign(Object.create(null), fake) });
}

const joins = async ({ parked: { name } }: ParkedContainer): Promise<Joined> => ({
  container: container(name, 'joined'),
  links: { steps: { make: Object(MAKE), remove: Object(REMOVE) }, linked: container(name, 'linked') },
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
  ahead.begin(take, SENT);
  await ahead.settled();
  ahead.link();
  await ahead.settled();
}

describe('the container of the next run', () => {
  it('has an address while a run goes on, and its links once a program was started', async () => {
    ahead.begin(take, SENT);
    await ahead.settled();
    expect(ahead.ready).toBe(1);
    expect(done).toEqual([]);
    ahead.link();
    ahead.link();
    await ahead.settled();
    expect(done).toEqual(['link c1']);
    expect(state(ahead.take(OPTIONS))).toBe('linked');
    expect(ahead.take(OPTIONS)).toBeNull();
  });

  it('has its links also where it has joined only then', async () => {
    ahead.begin(take, SENT);
    ahead.link();
    await ahead.settled();
    await ahead.settled();
    expect(done).toEqual(['link c1']);
  });

  it('is taken as it is by a run that comes before it has its links', async () => {
    ahead.begin(take, SENT);
    await ahead.settled();
    expect(state(ahead.take(OPTIONS))).toBe('joined');
    ahead.link();
    await ahead.settled();
    expect(done).toEqual([]);
  });

  it('is counted, and nobody’s, while it gets its links', async () => {
    calls = new Deferred();
    ahead.begin(take, SENT);
    await ahead.settled();
    ahead.link();
    await Promise.resolve();
    expect([ahead.ready, ahead.take(OPTIONS)]).toEqual([1, null]);
    ahead.begin(take, SENT);
    expect(taken).toBe(1);
    calls.resolve();
    await ahead.settled();
    expect(state(ahead.take(OPTIONS))).toBe('linked');
  });

  it('goes with its address where it can’t have its links, and no other joins', async () => {
    isRefused = true;
    await linked();
    expect(done).toEqual(['link c1', 'close c1', 'release c1']);
    expect([ahead.ready, ahead.take(OPTIONS)]).toEqual([0, null]);
    ahead.begin(take, SENT);
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
    calls = new Deferred();
    ahead.begin(take, SENT);
    await ahead.settled();
    ahead.link();
    const left = endSpareUses('addresses');
    calls.resolve();
    await left;
    expect(done).toEqual(['link c1', 'unlink c1', 'release the networks of c1']);
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
    ahead.begin(take, SENT);
    expect(taken).toBe(1);
  });
});
