import { describe, expect, it } from 'vitest';
import { aboveFirst } from '../../../../lib/container/options/mount-target.js';

const sorted = (...targets: string[]): string[] => aboveFirst(targets.map((target) => ({ target }))).map(({ target }) => target);

describe('the order of mounts', () => {
  it('is the order given', () => {
    expect(sorted('/z', '/b/c', '/a', '/bc')).toEqual(['/z', '/b/c', '/a', '/bc']);
  });

  it('has what is above another before that', () => {
    expect(sorted('/a/b/c', '/x', '/a/b', '/a/d', '/a')).toEqual(['/a', '/a/b', '/a/b/c', '/x', '/a/d']);
    expect(sorted('/ab', '/a/b', '/a')).toEqual(['/ab', '/a', '/a/b']);
  });
});
