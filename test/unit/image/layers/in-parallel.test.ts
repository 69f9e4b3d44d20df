import { expect, it } from 'vitest';
import { inParallel, settled } from '../../../../lib/image/layers/in-parallel.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('works on so many at a time, in their order', async () => {
  const begun: number[] = [];
  let busy = 0;
  let most = 0;
  const results = inParallel([10, 20, 30, 40, 50], 2, async (item, index) => {
    begun.push(index);
    most = Math.max(most, ++busy);
    await turn();
    busy--;
    return item + 1;
  });
  expect(await Promise.all(results)).toEqual([11, 21, 31, 41, 51]);
  expect(begun).toEqual([0, 1, 2, 3, 4]);
  expect(most).toBe(2);
});

it('begins nothing after a failure, and waits for what is under way', async () => {
  const begun: number[] = [];
  let ended = 0;
  const work = inParallel([0, 1, 2, 3], 2, async (item) => {
    begun.push(item);
    if (item === 0) throw new Error('first');
    await turn();
    ended++;
  });
  await expect(settled(work)).rejects.toThrow('first');
  expect(begun).toEqual([0, 1]);
  expect(ended).toBe(1);
  await expect(work[3]).rejects.toThrow('first');
});
