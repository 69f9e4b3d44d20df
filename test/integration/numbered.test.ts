import { expect, it } from 'vitest';
import { runNode } from '../fixtures/node.js';

it('what comes and goes by number is not kept by a scavenge, as a Map has it kept', async () => {
  const { map, own } = await runNode<{ map: number; own: number }>('numbered-memory', [], { nodeOptions: ['--expose-gc'] });
  expect(own).toBeLessThan(map / 4);
});
