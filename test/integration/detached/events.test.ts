import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, type ContainerEvent, type EventOptions, reap } from '../../../lib/index.js';
import { runtimeDir } from '../../../lib/native/runtime-dir.js';
import { detachedShim, findShim, useDetached } from '../../fixtures/detached.js';
import { entries, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode, startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox', 'unshare'] });

const options = async (script: string) => ({ ...(await busybox()), detach: true, command: ['sh', '-c', script] }) as const;

/** The events of a loop that runs meanwhile, until one that is the last. */
async function during(
  isLast: (event: ContainerEvent, all: ContainerEvent[]) => boolean,
  work: () => Promise<unknown>,
  more?: EventOptions,
): Promise<ContainerEvent[]> {
  const loop = Container.events(more)[Symbol.asyncIterator]();
  const all: ContainerEvent[] = [];
  const heard = (async () => {
    for (;;) {
      const { done, value } = await loop.next();
      if (done) return;
      all.push(value);
      if (isLast(value, all)) return;
    }
  })();
  try {
    await Promise.all([work(), heard]);
  } finally {
    await loop.return?.();
  }
  return all;
}

const isType = (type: string) => (event: ContainerEvent) => event.type === type;
const typesOf = (events: ContainerEvent[]): string[] => events.map(({ type }) => type);

/** Exits with 7 when it is stopped. */
const WAITS = 'trap "exit 7" TERM; while :; do sleep 0.1; done';
const WHOLE_LIFE = ['create', 'start', 'exec_create', 'exec_start', 'exec_die', 'pause', 'unpause', 'kill', 'die', 'stop', 'destroy'];

describe('events of detached containers', () => {
  it('of one that another process makes, acts on and removes: all, in order, with what belongs to them', async () => {
    const text = JSON.stringify({
      ...(await options(WAITS)),
      name: 'nacelle-test',
      labels: { app: 'a' },
    });
    let id = '';
    const events = await during(isType('destroy'), async () => {
      id = await runNode<string>('whole-life', [text]);
    });
    expect(typesOf(events)).toEqual(WHOLE_LIFE);
    for (const event of events) expect(event).toMatchObject({ id, name: 'nacelle-test', labels: { app: 'a' }, lost: 0 });
    const times = events.map(({ time }) => time.getTime());
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const [exec] = events.filter(isType('exec_create'));
    const execId = exec && 'execId' in exec ? exec.execId : '';
    expect(events[2]).toMatchObject({ execId, command: ['sh', '-c', 'exit 3'] });
    expect(events[3]).toMatchObject({ execId, command: ['sh', '-c', 'exit 3'] });
    expect(events[4]).toMatchObject({ execId, exitCode: 3, signal: null });
    expect(events[7]).toMatchObject({ signal: 'SIGTERM', signalNumber: 15 });
    expect(events[8]).toMatchObject({ exitCode: 7, signal: null, signalNumber: null });
  });

  it('of one that was there before: what comes after the loop has begun and nothing else, whoever acts', async () => {
    const made = await Container.create(await options('sleep 1000'));
    await made.start();
    await made.exec(['true']);
    const events = await during(isType('destroy'), async () => {
      // at once: the shim may not have heard of the loop yet
      await made.pause();
      const other = await Container.attach(made.id);
      await other.resume();
      await runNode('exec-in', [made.id, 'true']);
      await other.kill();
      await other.wait();
      await other.remove();
    });
    const types = ['pause', 'unpause', 'exec_create', 'exec_start', 'exec_die', 'kill', 'die', 'destroy'];
    expect(typesOf(events)).toEqual(types);
    expect(events[5]).toMatchObject({ signal: 'SIGKILL', signalNumber: 9 });
    expect(events[6]).toMatchObject({ exitCode: null, signal: 'SIGKILL', signalNumber: 9 });
  });

  it('misses none of those that live but a moment, however many are made at once', async () => {
    const count = 10;
    const image = await options('true');
    const events = await during(
      (_, all) => all.filter(isType('destroy')).length === count,
      () =>
        Promise.all(
          Array.from({ length: count }, async () => {
            const container = await Container.create({ ...image, autoRemove: true });
            await container.start();
          }),
        ),
    );
    const ids = new Set(events.map(({ id }) => id));
    expect(ids.size).toBe(count);
    for (const id of ids) expect(typesOf(events.filter((event) => event.id === id))).toEqual(['create', 'start', 'die', 'destroy']);
  });

  it('goes on when the last container is removed, and the folder of all of them with it', async () => {
    const text = JSON.stringify(await options(WAITS));
    const twice = (_: unknown, all: ContainerEvent[]) => all.filter(isType('destroy')).length === 2;
    const events = await during(twice, async () => {
      await runNode('whole-life', [text]);
      await runNode('whole-life', [text]);
    });
    expect(typesOf(events)).toEqual([...WHOLE_LIFE, ...WHOLE_LIFE]);
  });

  it('tells a stop after the end, also of one that is removed at its end', async () => {
    const container = await Container.create({ ...(await options('sleep 1000')), autoRemove: true });
    await container.start();
    const events = await during(isType('destroy'), () => container.stop({ timeout: 0 }));
    expect(typesOf(events).filter((type) => type !== 'kill')).toEqual(['die', 'stop', 'destroy']);
  });

  it('tells why the program was killed: memory ran out', async () => {
    const script = 'a=x; while :; do a=$a$a; done';
    const container = await Container.create({ ...(await options(script)), memory: '32m' });
    const events = await during(isType('die'), () => container.start());
    expect(typesOf(events)).toEqual(['start', 'oom', 'die']);
  });

  it('tells one whose program can not be started', async () => {
    const container = await Container.create({ ...(await options('')), command: ['/no/such/program'] });
    const events = await during(isType('destroy'), () => expect(container.start()).rejects.toMatchObject({ code: 'ENOENT' }));
    expect(typesOf(events)).toEqual(['die', 'destroy']);
    expect(events[0]).toMatchObject({ exitCode: null, signal: null });
  });

  it('tells an exec whose asker is killed as ended, and none of one that can not be run', async () => {
    const container = await Container.create(await options('sleep 1000'));
    await container.start();
    const events = await during(isType('exec_die'), async () => {
      await expect(container.exec(['/no/such/program'])).rejects.toMatchObject({ code: 'ENOENT' });
      const asker = startNode('exec-in', [container.id, 'echo here; sleep 1000']);
      await asker.lines.next();
      asker.process.kill('SIGKILL');
    });
    expect(typesOf(events)).toEqual(['exec_create', 'exec_start', 'exec_die']);
    expect(events[2]).toMatchObject({ exitCode: null, signal: 'SIGKILL' });
  });

  it('tells a container whose shim dies as dead without exit code, and as gone once what is left is removed', async () => {
    const container = await Container.create(await options('sleep 1000'));
    await container.start();
    const events = await during(isType('destroy'), async () => {
      process.kill(detachedShim(container.id), 'SIGKILL');
      await until('its end is noticed', () => container.state === 'stopped');
      await reap();
    });
    expect(typesOf(events)).toEqual(['die', 'destroy']);
    expect(events[0]).toMatchObject({ exitCode: null, signal: null, signalNumber: null });
  });

  it('tells the end once when the shim dies after it', async () => {
    const container = await Container.create(await options('exit 5'));
    const events = await during(isType('destroy'), async () => {
      await container.start();
      await container.wait();
      process.kill(detachedShim(container.id), 'SIGKILL');
      const left = await until('the shim is gone', async () => {
        const found = await Container.attach(container.id).catch(() => null);
        return found?.isDetached && findShim(container.id) === null ? found : null;
      });
      await left.remove();
      await reap();
    });
    expect(typesOf(events)).toEqual(['start', 'die', 'destroy']);
    expect(events[1]).toMatchObject({ exitCode: 5 });
  });

  it('tells nothing of one whose maker dies while it is made, and holds up no shim', async () => {
    const text = JSON.stringify(await options('sleep 1000'));
    const loop = Container.events()[Symbol.asyncIterator]();
    const folder = join(runtimeDir(), 'containers');
    // that of the shim that this process keeps ahead
    const spare = entries(folder);
    for (let round = 0; round < 5; round++) {
      const maker = startNode('detach', [text, 'wait']);
      await until('it has a folder', () => entries(folder).length > spare.length);
      maker.process.kill('SIGKILL');
      await maker.ended;
      for (const { id } of await Container.list()) await (await Container.attach(id)).remove({ force: true });
      await until('its shims have ended', () => entries(folder).length <= spare.length);
    }
    await loop.return?.();
  });

  it('is of those that have the labels', async () => {
    const image = await options('true');
    const made = await Container.create({ ...image, labels: { app: 'b', tier: 'web' } });
    const events = await during(
      isType('die'),
      async () => {
        const other = await Container.create({ ...image, labels: { app: 'a' } });
        await other.start();
        await other.wait();
        await made.start();
      },
      { labels: { app: 'b' } },
    );
    expect(typesOf(events)).toEqual(['start', 'die']);
    expect(new Set(events.map(({ id }) => id))).toEqual(new Set([made.id]));
  });

  it('goes on beside a shim that stands still, which tells what it has to when it goes on', async () => {
    const [still, other] = [await Container.create(await options('exit 1')), await Container.create(await options('exit 2'))];
    const shim = detachedShim(still.id);
    process.kill(shim, 'SIGSTOP');
    try {
      const events = await during(
        (_, all) => all.length === 4,
        async () => {
          await other.start();
          await other.wait();
          process.kill(shim, 'SIGCONT');
          await still.start();
        },
      );
      expect(events.map(({ id, type }) => [id, type])).toEqual([
        [other.id, 'start'],
        [other.id, 'die'],
        [still.id, 'start'],
        [still.id, 'die'],
      ]);
    } finally {
      process.kill(shim, 'SIGCONT');
    }
  });

  it('waits for no reader: one that stands still loses the oldest, is told how many, and has the newest', async () => {
    const container = await Container.create(await options('sleep 1000'));
    const reader = startNode('read-events', ['destroy']);
    await reader.lines.next();
    await container.start();
    await reader.lines.next();
    reader.process.kill('SIGSTOP');
    const rounds = 3000;
    for (let i = 0; i < rounds; i++) await container.kill('SIGURG');
    const shim = detachedShim(container.id);
    // a sanitizer keeps what was freed
    const mostKiB = (process.env.NACELLE_SANITIZE === '1' ? 1024 : 8) * 1024;
    expect(Number(/^VmRSS:\s+(\d+)/m.exec(readText(`/proc/${shim}/status`) ?? '')?.[1])).toBeLessThan(mostKiB);
    await container.kill();
    await container.wait();
    reader.process.kill('SIGCONT');
    const events: { type: string; lost: number }[] = [];
    while (events.at(-1)?.type !== 'die') events.push(JSON.parse((await reader.lines.next()).value ?? ''));
    const lost = events.reduce((sum, event) => sum + event.lost, 0);
    expect(lost).toBeGreaterThan(0);
    // with the last kill, and die
    expect(lost + events.length).toBe(rounds + 2);
    await container.remove();
    expect(JSON.parse((await reader.lines.next()).value ?? '')).toMatchObject({ type: 'destroy', lost: 0 });
    await reader.ended;
  });

  it('tells one that is removed behind the back of a reader as dead and gone', async () => {
    const container = await Container.create(await options('sleep 1000'));
    const reader = startNode('read-events', ['destroy']);
    await reader.lines.next();
    await container.start();
    await reader.lines.next();
    reader.process.kill('SIGSTOP');
    for (let i = 0; i < 1000; i++) await container.kill('SIGURG');
    await container.remove({ force: true });
    reader.process.kill('SIGCONT');
    const { stdout } = await reader.ended;
    const events = stdout.trim().split('\n').slice(-2);
    expect(events.map((line) => JSON.parse(line))).toMatchObject([
      { type: 'die', exitCode: null, signal: null, lost: 1 },
      { type: 'destroy' },
    ]);
  });
});

describe('a loop over events', () => {
  it('throws the reason of its signal, before and while it waits', async () => {
    const reason = new Error('enough');
    await expect(
      Container.events({ cancelSignal: AbortSignal.abort(reason) })
        [Symbol.asyncIterator]()
        .next(),
    ).rejects.toBe(reason);
    const controller = new AbortController();
    const loop = Container.events({ cancelSignal: controller.signal })[Symbol.asyncIterator]();
    const next = loop.next();
    controller.abort(reason);
    await expect(next).rejects.toBe(reason);
    expect(await loop.next()).toEqual({ done: true, value: undefined });
  });

  it('keeps Node alive while it waits, and else does not', async () => {
    // neither the folder nor anything else is left of a process that never had a shim
    expect(await runNode('read-events', ['unread'])).toBe('ready');
    const waiting = startNode('read-events', ['destroy']);
    await waiting.lines.next();
    await runNode('whole-life', [JSON.stringify(await options(WAITS))]);
    const { code, stdout } = await waiting.ended;
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(1 + WHOLE_LIFE.length);
  });

  it('is one of many, each with all events', async () => {
    const container = await Container.create(await options('true'));
    const [first, second] = await Promise.all([
      during(isType('destroy'), async () => undefined),
      during(isType('destroy'), async () => {
        await container.start();
        await container.wait();
        await container.remove();
      }),
    ]);
    expect(typesOf(first)).toEqual(['start', 'die', 'destroy']);
    expect(second).toEqual(first);
  });

  it('refuses options that it does not know', () => {
    const wrong: object = { label: {} };
    expect(() => Container.events(wrong)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
  });
});
