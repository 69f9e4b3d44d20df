import { describe, expect, it } from 'vitest';
import { ByNumber, Numbered } from '../../../lib/native/numbered.js';

describe('what comes and goes by number', () => {
  it('is found until it goes', () => {
    const items = new ByNumber<string>();
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
});
