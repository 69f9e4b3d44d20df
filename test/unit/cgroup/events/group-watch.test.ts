import { describe, expect, it } from 'vitest';
import { type CgroupEvent, eventsBetween, readEventCounts } from '../../../../lib/cgroup/events/event-counts.js';
import { EventQueue } from '../../../../lib/cgroup/events/event-queue.js';

const read = (files: Record<string, string>) => (controller: string, file: string) => files[`${controller}/${file}`] ?? null;
const none = { ooms: 0, atLimit: 0 };

describe('what the files say', () => {
  it('on v2', () => {
    const files = {
      'unified/cgroup.events': 'populated 1\nfrozen 0\n',
      'memory/memory.events': 'low 0\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 0\n',
      'pids/pids.events': 'max 6\n',
    };
    const counts = { populated: true, oom: 4, 'oom-kill': 5, 'memory-high': 2, 'memory-max': 3, 'pids-max': 6 };
    expect(readEventCounts(read(files), none)).toEqual(counts);
  });

  it('on v1, with what its eventfds told', () => {
    const files = { 'memory/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n' };
    const counts = { populated: null, oom: 7, 'oom-kill': 1, 'memory-high': null, 'memory-max': 8, 'pids-max': null };
    expect(readEventCounts(read(files), { ooms: 7, atLimit: 8 })).toEqual(counts);
  });
});

describe('what happened between', () => {
  const quiet = { populated: false, oom: 0, 'oom-kill': 0, 'memory-high': null, 'memory-max': 1, 'pids-max': 0 };

  it('nothing', () => expect(eventsBetween(quiet, quiet)).toEqual([]));

  it('causes come before what comes of them', () => {
    const busy = { ...quiet, populated: true };
    const after = { ...busy, oom: 1, 'oom-kill': 3, 'memory-max': 9, 'pids-max': 2 };
    expect(eventsBetween(quiet, after).map(({ type, count }) => `${type} ${count}`)).toEqual([
      'populated 1',
      'pids-max 2',
      'memory-max 9',
      'oom 1',
      'oom-kill 3',
    ]);
    expect(eventsBetween(busy, { ...quiet, 'oom-kill': 1 }).map(({ type }) => type)).toEqual(['oom-kill', 'empty']);
  });
});

describe('the queue', () => {
  const event = (type: CgroupEvent['type'], count: number): CgroupEvent => ({ type, count, at: new Date(0) });
  const END = { done: true, value: undefined };
  const made = (): { queue: EventQueue; ends: () => number } => {
    let ends = 0;
    return { queue: new EventQueue(() => ends++), ends: () => ends };
  };

  it('keeps the newest of each type for who comes later', async () => {
    const { queue } = made();
    for (const each of [event('oom', 1), event('empty', 1), event('oom', 2)]) queue.push(each);
    expect([await queue.next(), await queue.next()]).toEqual([
      { done: false, value: event('empty', 1) },
      { done: false, value: event('oom', 2) },
    ]);
  });

  it('serves those who wait in their order', async () => {
    const { queue } = made();
    const both = Promise.all([queue.next(), queue.next()]);
    queue.push(event('oom', 1));
    queue.push(event('oom', 2));
    expect((await both).map(({ value }) => value.count)).toEqual([1, 2]);
  });

  it('gives what came before the end', async () => {
    const { queue, ends } = made();
    queue.push(event('oom', 1));
    queue.end();
    queue.end();
    queue.push(event('oom', 2));
    expect([await queue.next(), await queue.next()]).toEqual([{ done: false, value: event('oom', 1) }, END]);
    expect(ends()).toBe(1);
  });

  it('throws an error once, to the first who waits', async () => {
    const { queue } = made();
    const first = queue.next();
    const second = queue.next();
    queue.end({ error: new Error('broken') });
    await expect(first).rejects.toThrow('broken');
    expect([await second, await queue.next()]).toEqual([END, END]);
    const late = made().queue;
    late.end({ error: new Error('broken') });
    await expect(late.next()).rejects.toThrow('broken');
    expect(await late.next()).toEqual(END);
  });

  it('ends with a break', async () => {
    const { queue, ends } = made();
    queue.push(event('oom', 1));
    queue.push(event('empty', 1));
    for await (const { type } of queue) if (type === 'oom') break;
    expect(await queue.next()).toEqual(END);
    expect(ends()).toBe(1);
  });
});
