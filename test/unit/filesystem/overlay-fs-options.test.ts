import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NacelleError } from '../../../lib/errors.js';
import { parseOverlayOptions } from '../../../lib/filesystem/overlay-fs-options.js';

function refusal(options: unknown): string {
  try {
    parseOverlayOptions(options);
  } catch (error) {
    if (error instanceof NacelleError && error.code === 'ERR_INVALID_OPTION') return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('options of an overlay', () => {
  it('have defaults', () => {
    expect(parseOverlayOptions({ lower: ['/a', '/b'] })).toEqual({
      lower: ['/a', '/b'],
      upper: null,
      work: null,
      target: null,
      readOnly: false,
      volatile: false,
      upperSize: null,
      persist: false,
    });
  });

  it('take relative paths from the current folder, and sizes as docker does', () => {
    const settings = parseOverlayOptions({ lower: ['a', '../b/', './c//d'], target: 't', upperSize: '8m' });
    expect(settings).toMatchObject({
      lower: [resolve('a'), resolve('../b'), resolve('c/d')],
      target: resolve('t'),
      upperSize: 8 * 1024 * 1024,
    });
  });

  it('take any character but NUL', () => {
    const odd = '/a,b:c\\d e\nf\t"\'=%s';
    expect(parseOverlayOptions({ lower: [odd], upper: `${odd}u` })).toMatchObject({ lower: [odd], upper: `${odd}u` });
  });

  it.each<[string, unknown, RegExp]>([
    ['no options', undefined, /is missing/],
    ['no lower', {}, /option lower: is missing/],
    ['an empty list', { lower: [] }, /option lower: must be at least 1/],
    ['too many', { lower: Array.from({ length: 501 }, (_, i) => `/l${i}`) }, /option lower: must be at most 500/],
    ['a string for a list', { lower: '/a' }, /option lower: must be an array, not "\/a"/],
    ['an empty path', { lower: ['/a', ''] }, /option lower\[1\]: must not be empty/],
    ['a NUL', { lower: ['/a\0'] }, /option lower\[0\]: must not contain a NUL byte/],
    ['a slip of the pen', { lower: ['/a'], uper: '/u' }, /option uper: is unknown; did you mean 'upper'\?/],
    ["the kernel's name", { lower: ['/a'], upperdir: '/u' }, /option upperdir: is unknown; did you mean 'upper'\?/],
    ['no size', { lower: ['/a'], upperSize: 'much' }, /option upperSize: must be a size/],
    ['a size that is no limit to tmpfs', { lower: ['/a'], upperSize: 0 }, /option upperSize: must be at least 4096 bytes/],
    ['a flag that is none', { lower: ['/a'], volatile: 'yes' }, /option volatile: must be a boolean/],
    ['upper of a read-only mount', { lower: ['/a'], upper: '/u', readOnly: true }, /option upper: .*readOnly/],
    ['upperSize of a read-only mount', { lower: ['/a'], upperSize: '1m', readOnly: true }, /option upperSize: .*readOnly/],
    ['volatile and read-only', { lower: ['/a'], volatile: true, readOnly: true }, /option volatile: .*readOnly/],
    ['work without upper', { lower: ['/a'], work: '/w' }, /option work: belongs to an upper/],
    ['upperSize with upper', { lower: ['/a'], upper: '/u', upperSize: '1m' }, /option upperSize: is for the tmpfs/],
    ['work that is upper', { lower: ['/a'], upper: '/u', work: '/u/' }, /option work: must be a folder of its own/],
    ['work in upper', { lower: ['/a'], upper: '/u', work: '/u/w' }, /option work: must be a folder of its own/],
    ['upper in work', { lower: ['/a'], upper: '/w/u', work: '/w' }, /option work: must be a folder of its own/],
    ['lower twice', { lower: ['/a', '/b', '/a/.'] }, /option lower\[2\]: \/a is lower\[0\] too/],
    ['lower that is upper', { lower: ['/a'], upper: '/a' }, /option lower\[0\]: \/a is the upper too/],
  ])('are refused: %s', (_, options, message) => {
    expect(refusal(options)).toMatch(message);
  });

  it('may have folders whose names begin alike', () => {
    expect(() => parseOverlayOptions({ lower: ['/a', '/ab'], upper: '/u', work: '/u-work' })).not.toThrow();
  });
});
