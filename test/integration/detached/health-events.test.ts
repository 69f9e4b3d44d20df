import { expect } from 'vitest';
import { Container, type ContainerEvent } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

const options = async () => ({
  ...(await busybox()),
  command: ['sleep', '1000'],
  tmpfs: { '/tmp': '' },
  healthcheck: { test: ['CMD', 'test', '-e', '/tmp/ok'], interval: 20, timeout: 60_000, retries: 1 },
});

type Health = Extract<ContainerEvent, { type: 'health_status' }>;

/** The next event of health from a loop that has begun. */
async function nextHealth(loop: AsyncIterator<ContainerEvent>): Promise<Health> {
  for (;;) {
    const { value } = await loop.next();
    if (value.type === 'health_status') return value;
  }
}

describe('events of health', () => {
  it.each(['detached, by another process', 'of this process'])('come at each change, in order: of a container %s', async (whose) => {
    const loop = Container.events({ labels: { test: 'health' } })[Symbol.asyncIterator]();
    const given = { ...(await options()), labels: { test: 'health' } };
    const first = nextHealth(loop);
    const isDetached = whose !== 'of this process';
    let container: Container;
    if (isDetached) {
      const maker = startNode('detach', [JSON.stringify({ ...given, detach: true })]);
      container = await Container.attach(JSON.parse((await maker.lines.next()).value ?? ''));
    } else {
      container = await Container.create(given);
      await container.start();
    }
    const seen = [await first];
    for (const command of [
      ['touch', '/tmp/ok'],
      ['rm', '/tmp/ok'],
      ['touch', '/tmp/ok'],
    ]) {
      const next = nextHealth(loop);
      await container.exec(command);
      seen.push(await next);
    }
    expect(seen.map(({ id }) => id)).toEqual(seen.map(() => container.id));
    expect(seen.map(({ status }) => status)).toEqual(['unhealthy', 'healthy', 'unhealthy', 'healthy']);
    expect((await container.inspect()).health).toMatchObject({ status: 'healthy' });
    await container.remove({ force: true });
    await loop.return?.();
  });
});
