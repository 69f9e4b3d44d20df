import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { Numbered } from '../../../lib/native/numbered.js';

describe('what comes and goes by number', () => {
  it('is found until it goes', () => {
    const items = new Numbered<string>();
    items.set(7, 'seven');
    items.set(8, 'eight');
    expect(items.get(7)).toBe('seven');
    items.delete(7);
    expect(items.get(7)).toBeUndefined();
    expect(items.values()).toEqual(['eight']);
  });

  it('has numbers given to it, in the order in which it comes', () => {
    const items = new Numbered<string>();
    const numbers = ['a', 'b', 'c'].map((item) => items.add(item));
    items.delete(numbers[1] ?? 0);
    items.add('d');
    expect(items.values()).toEqual(['a', 'c', 'd']);
    expect(new Set(numbers).size).toBe(3);
  });

  it('leaves nothing that a collection of what is young would keep', () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const items = new Numbered<number[]>();
    const pass = (from: number, count: number): void => {
      for (let number = from; number < from + count; number++) {
        items.set(number, new Array<number>(64).fill(number));
        items.delete(number - 8);
      }
    };
    pass(1, 1000);
    collect();
    const before = oldBytes();
    pass(1001, 200_000);
    // of 100 MB, of which a Map keeps a sixth
    expect(oldBytes() - before).toBeLessThan(4_000_000);
  });
});

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')?.space_used_size ?? 0;
}
