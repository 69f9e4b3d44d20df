import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });

interface Seen {
  shims: number;
  workersGone: boolean;
  mainsAlive: boolean;
  afterwards: string;
  parallel: string[];
}

describe('worker threads', () => {
  for (const end of ['terminate', 'exit', 'throw']) {
    it(`one that ends (${end}) takes its own containers along and nothing of the others`, async () => {
      expect(await runNode<Seen>('workers', [end])).toEqual({
        shims: 1,
        workersGone: true,
        mainsAlive: true,
        afterwards: 'main again\n',
        parallel: ['worker 0\n', 'worker 1\n', 'worker 2\n'],
      });
    });
  }
});
