import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { parseCopyFrom, parseCopyTo } from '../../../../lib/container/options/copy-options.js';

const refused = (words: RegExp) => expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(words) });

describe('what is read from a container', () => {
  it.each([
    ['/etc/passwd', { path: '/etc/passwd', contentOnly: false }],
    ['/etc/', { path: '/etc', contentOnly: true }],
    ['/etc/.', { path: '/etc', contentOnly: true }],
    ['/', { path: '/', contentOnly: true }],
    ['/a/../b//c', { path: '/b/c', contentOnly: false }],
    ['/a/.hidden', { path: '/a/.hidden', contentOnly: false }],
  ])('%s', (path, expected) => {
    expect(parseCopyFrom(path, {})).toEqual({ ...expected, maxBytes: null });
  });

  it('is limited by a size', () => {
    expect(parseCopyFrom('/etc', { maxBytes: '1m' }).maxBytes).toBe(1 << 20);
  });

  it.each([
    ['relative', {}, /path/],
    ['/with\0nul', {}, /path/],
    ['/etc', { maxBytes: -1 }, /maxBytes/],
    ['/etc', { max: 1 }, /max/],
  ])('%s with %o is refused', (path, options, words) => {
    expect(() => parseCopyFrom(path, options)).toThrow(refused(words));
  });
});

describe('what is written to a container', () => {
  it('is text, bytes, what CopyIn says, or a tar', () => {
    const file = { type: 'file', path: '/a', folderOnly: false, source: null, mode: 0o644, uid: null, gid: null };
    expect(parseCopyTo('/a', 'text')).toEqual({ ...file, content: Buffer.from('text') });
    expect(parseCopyTo('/a', new Uint8Array([1]))).toEqual({ ...file, content: new Uint8Array([1]) });
    const source = { source: '/host', uid: 1, gid: 2 };
    expect(parseCopyTo('/a', source)).toEqual({ ...file, source: '/host', content: null, mode: null, uid: 1, gid: 2 });
    expect(parseCopyTo('/a/', { source: '/host' })).toMatchObject({ path: '/a', folderOnly: true });
    const tar = Readable.from([]);
    expect(parseCopyTo('/a//b/', tar)).toEqual({ type: 'tar', path: '/a/b', tar });
    expect(parseCopyTo('/', tar)).toMatchObject({ path: '/' });
  });

  it.each([
    ['relative', 'text', /path/],
    ['/', 'text', /path/],
    ['/a/', 'text', /path/],
    ['/a/.', { content: 'text' }, /path/],
    ['/a', 5, /source/],
    ['/a', null, /source/],
    ['/a', {}, /source/],
    ['/a', { source: '/x', content: 'y' }, /source/],
    ['/a', { content: 'y', owner: 1 }, /owner/],
  ])('%s of %o is refused', (path, source, words) => {
    expect(() => parseCopyTo(path, source)).toThrow(refused(words));
  });
});
