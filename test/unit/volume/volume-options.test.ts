import { describe, expect, it } from 'vitest';
import { parseOptions } from '../../../lib/options/parse-options.js';
import { problemOfName, volumeName, volumeOptions } from '../../../lib/volume/volume-options.js';

describe("a volume's name", () => {
  it.each(['a', '0', 'data', 'My_data.v-1', 'x'.repeat(255)])('can be %s', (name) => {
    expect(problemOfName(name)).toBeNull();
  });

  it.each(['', '.', '..', '.hidden', '-x', '_x', 'a/b', 'a b', 'ä', 'a\n', 'a\0', 'x'.repeat(256)])('can not be %j', (name) => {
    expect(problemOfName(name)).toMatch(/name of a volume/);
    expect(() => parseOptions(volumeName, name, 'name')).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
  });

  it.each([undefined, null, 7, ['a']])('can not be %j, which is no text', (name) => {
    expect(() => parseOptions(volumeName, name, 'name')).toThrow(/^option name: /);
  });
});

describe('the options of a new volume', () => {
  it('are labels and a size', () => {
    expect(parseOptions(volumeOptions, { labels: { a: '' }, size: '1m' }, 'options')).toEqual({ labels: { a: '' }, size: 1024 ** 2 });
  });

  it.each([
    [{ label: {} }, /^option label: is unknown; did you mean 'labels'/],
    [{ labels: { a: 1 } }, /^option labels\.a: must be a string/],
    [{ labels: { a: 'x\0' } }, /NUL/],
    [{ size: 'large' }, /^option size: must be a size/],
    [{ size: 1024 }, /^option size: must be at least 65536 bytes/],
    ['data', /^option options: /],
  ])('are not %j', (options, message) => {
    expect(() => parseOptions(volumeOptions, options, 'options')).toThrow(message);
  });
});
