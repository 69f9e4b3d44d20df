import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import { Container } from '../../../lib/index.js';
import { detachedShim, useDetached } from '../../fixtures/detached.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { ECHO, listening, TELLS } from '../../fixtures/tcp-server.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { it } = requires({ containers: true, groups: true, tools: ['busybox'] });

it('another process connects to a detached container, whose supervisor keeps nothing of that', async () => {
  const container = await listening({ detach: true });
  const held = (): number => readdirSync(`/proc/${detachedShim(container.id)}/fd`).length;
  const before = held();
  expect(await runNode('attach-connect', [container.id, String(ECHO), 'from elsewhere'])).toBe('from elsewhere');
  const streams = await Promise.all(Array.from({ length: 20 }, () => container.connect(TELLS)));
  await until('it holds what it held before', () => held() === before, 5_000);
  for (const stream of streams) stream.destroy();
  await container.waitFor({ log: 'closed' });
  await container.remove({ force: true });
});

it('streams go with the handle that made them', async () => {
  const container = await listening({ detach: true });
  const other = await Container.attach(container.id);
  const [own, others] = [await container.connect(ECHO), await other.connect(ECHO)];
  const closed = once(others, 'close');
  await other[Symbol.asyncDispose]();
  await closed;
  await expect(other.connect(ECHO)).rejects.toMatchObject({ name: expect.any(String) });
  own.end('still there');
  expect(await text(own)).toBe('still there');
  await container.remove({ force: true });
});
