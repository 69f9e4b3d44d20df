import { expect } from 'vitest';
import { Container, type ContainerEvent, type ContainerOptions } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });

const typesOf = (events: ContainerEvent[]): string[] => events.map(({ type }) => type);

describe.each([
  ['of this process', {}],
  ['that is detached', { detach: true }],
] as const)('events of a container %s', (_, how) => {
  /** All of a container's events. */
  async function during(
    script: string,
    options: ContainerOptions,
    work: (container: Container) => Promise<unknown>,
  ): Promise<ContainerEvent[]> {
    const loop = Container.events()[Symbol.asyncIterator]();
    const container = await Container.create({ ...(await busybox()), ...how, command: ['sh', '-c', script], ...options });
    await container.start();
    await work(container);
    await container.remove();
    const all: ContainerEvent[] = [];
    while (all.at(-1)?.type !== 'destroy') all.push((await loop.next()).value);
    await loop.return?.();
    return all;
  }

  it('tell each run that a policy begins, and each end', async () => {
    const events = await during('exit 3', { restart: { on: 'failure', maxRetries: 2 } }, (container) => container.wait());
    expect(typesOf(events)).toEqual(['create', 'start', 'die', 'start', 'die', 'start', 'die', 'destroy']);
    for (const event of events.filter(({ type }) => type === 'die')) expect(event).toMatchObject({ exitCode: 3 });
  });

  it('tell the end once of one that is stopped in the pause before its next run', async () => {
    const events = await during('exit 1', { restart: { on: 'always' } }, async (container) => {
      await until('it waits for its third run', () => container.state === 'restarting');
      await container.stop();
    });
    const types = typesOf(events);
    expect(types.slice(-3)).toEqual(['die', 'stop', 'destroy']);
    expect(types.filter((type) => type === 'die')).toHaveLength(types.filter((type) => type === 'start').length);
  });

  it('tell a restart that somebody asked for', async () => {
    const events = await during('trap "exit 0" TERM; while :; do sleep 0.1; done', { restart: { on: 'failure' } }, async (container) => {
      await container.restart();
      await container.stop();
    });
    const types = ['create', 'start', 'kill', 'die', 'start', 'restart', 'kill', 'die', 'stop', 'destroy'];
    // process 1 hears no signal that it has no handler for yet, so the second run may be killed before it has one
    expect(typesOf(events).filter((type, index, all) => type !== 'kill' || all[index - 1] !== 'kill')).toEqual(types);
  });
});
