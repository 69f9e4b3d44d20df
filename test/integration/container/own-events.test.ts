import { watch } from 'node:fs';
import { expect } from 'vitest';
import { Container, type ContainerEvent } from '../../../lib/index.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';

useLeakCheck();
// Node keeps one descriptor for all that is ever watched
watch('/', { persistent: false }).close();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

/** The events of a loop that runs while `work` does, to the last 'destroy' of so many containers. */
async function during(work: () => Promise<unknown>, count = 1): Promise<ContainerEvent[]> {
  const loop = Container.events()[Symbol.asyncIterator]();
  const all: ContainerEvent[] = [];
  await work();
  while (all.filter(({ type }) => type === 'destroy').length < count) all.push((await loop.next()).value);
  await loop.return?.();
  return all;
}

const typesOf = (events: ContainerEvent[]): string[] => events.map(({ type }) => type);

describe('events of containers that end with this process', () => {
  it('tell all of a life, in order', async () => {
    const image = await busybox();
    let id = '';
    const events = await during(async () => {
      const command = ['sh', '-c', 'trap "exit 7" TERM; while :; do sleep 0.1; done'];
      const container = await Container.create({ ...image, command, name: 'a', labels: { app: 'a' } });
      id = container.id;
      await container.start();
      await container.exec(['sh', '-c', 'exit 3']);
      await container.pause();
      await container.resume();
      await container.kill('SIGURG');
      await container.stop();
      await container.remove();
    });
    expect(typesOf(events)).toEqual([
      ...['create', 'start', 'exec_create', 'exec_start', 'exec_die', 'pause', 'unpause', 'kill', 'kill', 'die', 'stop', 'destroy'],
    ]);
    for (const event of events) expect(event).toMatchObject({ id, name: 'a', labels: { app: 'a' }, lost: 0, time: expect.any(Date) });
    expect(events[4]).toMatchObject({ execId: expect.stringMatching(/^[0-9a-f]{32}$/), exitCode: 3, signal: null });
    expect(events[7]).toMatchObject({ signal: 'SIGURG', signalNumber: 23 });
    expect(events[9]).toMatchObject({ exitCode: 7, signal: null, signalNumber: null });
  });

  it('tell a run from its creation to its end', async () => {
    const events = await during(async () => Container.run({ ...(await busybox()), command: ['sh', '-c', 'kill -9 $$'], init: true }));
    expect(typesOf(events)).toEqual(['create', 'start', 'die', 'destroy']);
    expect(events[2]).toMatchObject({ exitCode: null, signal: 'SIGKILL', signalNumber: 9 });
  });

  it('tell that memory ran out, and no kill by a clock as a kill', async () => {
    const image = await busybox();
    const events = await during(async () => {
      await Container.run({ ...image, memory: '32m', command: ['sh', '-c', 'a=x; while :; do a=$a$a; done'] });
      await Container.run({ ...image, timeout: 50, command: ['sleep', '1000'] });
    }, 2);
    expect(typesOf(events)).toEqual([...['create', 'start', 'oom', 'die', 'destroy'], ...['create', 'start', 'die', 'destroy']]);
  });

  it('tell nothing of what could not be made, and the end of what could not be started', async () => {
    const image = await busybox();
    const events = await during(async () => {
      await expect(Container.run({ ...image, command: ['/no/such/program'] })).rejects.toMatchObject({ code: 'ENOENT' });
      const container = await Container.create({ ...image, command: ['/no/such/program'] });
      await expect(container.start()).rejects.toMatchObject({ code: 'ENOENT' });
      await container.remove();
    });
    expect(typesOf(events)).toEqual(['create', 'die', 'destroy']);
    expect(events[1]).toMatchObject({ exitCode: null, signal: null, signalNumber: null });
  });

  it('tell nothing of a program that was cancelled before it ran', async () => {
    const image = await busybox();
    const events = await during(async () => {
      const result = await Container.run({ ...image, command: ['true'], cancelSignal: AbortSignal.abort() });
      expect(result).toMatchObject({ status: 'canceled' });
      await Container.run({ ...image, command: ['true'] });
    });
    expect(new Set(events.map(({ id }) => id)).size).toBe(1);
    expect(typesOf(events)).toEqual(['create', 'start', 'die', 'destroy']);
  });

  it('tell a change of the size of a terminal', async () => {
    const events = await during(async () => {
      const container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], tty: true });
      await container.start();
      await container.resize({ columns: 100, rows: 30 });
      await container.remove({ force: true });
    });
    expect(typesOf(events)).toEqual(['create', 'start', 'resize', 'kill', 'die', 'destroy']);
    expect(events[2]).toMatchObject({ size: { columns: 100, rows: 30 } });
  });
});
