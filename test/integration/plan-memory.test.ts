import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { Container } from '../../lib/index.js';
import { shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ root: true, containers: true });

/** Each fork of the shim goes through all of its areas of memory: proc_pid_maps(5). */
function areasOfShim(): number {
  const shim = shimOf();
  if (shim === null) throw new Error('there is no shim');
  return readFileSync(`/proc/${shim.pid}/maps`, 'utf8').split('\n').length;
}

describe('the plans of containers that live', () => {
  it('are in a few areas of the memory of the shim, however many they are', async () => {
    const containers: Container[] = [];
    const more = async (): Promise<number> => {
      const container = await Container.create({ image: 'host', command: ['sleep', 'infinity'] });
      containers.push(container);
      await container.start();
      return areasOfShim();
    };
    try {
      const first = await more();
      while (containers.length < 15) await more();
      expect((await more()) - first).toBeLessThan(10);
    } finally {
      await Promise.all(containers.map((container) => container.remove({ force: true })));
    }
  });
});
