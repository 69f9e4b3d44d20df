import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { readCopied } from '../../../../lib/container/result/copied-files.js';

const { EACCES, EFBIG, EIO } = constants.errno;

function number(bytes: number, value: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, Math.min(bytes, 6));
  return buffer;
}

function sized(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([number(4, bytes.length), bytes]);
}

const done = Buffer.from([0]);
const file = (path: string | Buffer, content: string, error = 0): Buffer =>
  Buffer.concat([Buffer.from([1]), sized(path), number(8, content.length), Buffer.from(content), number(4, error)]);
const refused = (path: string, error: number, words = ''): Buffer =>
  Buffer.concat([Buffer.from([2]), sized(path), number(4, error), sized(words)]);

function read(records: Buffer[], paths: string[], failure: string | null = null) {
  const { files, notCopied } = readCopied(Buffer.concat(records), paths, { max: 1024, failure });
  const texts = Object.fromEntries(Object.entries(files).map(([path, bytes]) => [path, Buffer.from(bytes).toString()]));
  return { files: texts, notCopied };
}

describe('what came out of a container', () => {
  it('files by their path, and nothing for a path that was missing', () => {
    expect(read([file('/a', 'one'), done, done, file('/b/c', ''), file('/b/d', 'two'), done], ['/a', '/none', '/b'])).toEqual({
      files: { '/a': 'one', '/b/c': '', '/b/d': 'two' },
      notCopied: [],
    });
  });

  it('what stays there is told in words', () => {
    const records = [
      refused('/a', 0, 'it is a FIFO'),
      refused('/b', EACCES),
      refused('/c', EFBIG, '5000'),
      refused('/d', EFBIG),
      file('/e', 'xx', EIO),
    ];
    expect(read([...records, done], ['/'])).toEqual({
      files: {},
      notCopied: [
        { path: '/a', reason: 'it is a FIFO' },
        { path: '/b', reason: 'EACCES (permission denied)' },
        { path: '/c', reason: 'it has 5,000 bytes, more than is left of copyOutMax, 1,024 bytes' },
        { path: '/d', reason: 'there is more than copyOutMax, 1,024 bytes' },
        { path: '/e', reason: 'EIO (i/o error)' },
      ],
    });
  });

  it.each(['the whole', 'the last record', 'a byte'])('where %s is cut off, the paths that are not done are told', (what) => {
    const first = Buffer.concat([file('/a', 'one'), done]);
    const second = Buffer.concat([file('/b/c', 'two'), file('/b/d', 'three')]);
    const bytes = Buffer.concat([first, second]);
    const end = { 'the whole': 0, 'the last record': bytes.length - file('/b/d', 'three').length, 'a byte': bytes.length - 1 }[what] ?? 0;
    const { files, notCopied } = read([bytes.subarray(0, end)], ['/a', '/b', '/c'], 'it was killed');
    const all = what === 'the whole' ? ['/a', '/b', '/c'] : ['/b', '/c'];
    expect(Object.keys(files)).toEqual(what === 'the whole' ? [] : ['/a', '/b/c']);
    expect(notCopied).toEqual(all.map((path) => ({ path, reason: 'it was killed' })));
  });

  it('every end of a message is no more than missing', () => {
    const bytes = Buffer.concat([file('/a', 'one'), refused('/b', 0, 'why'), done]);
    for (let end = 0; end < bytes.length; end++) {
      const { notCopied } = read([bytes.subarray(0, end)], ['/x'], 'cut');
      expect(notCopied).toContainEqual({ path: '/x', reason: 'cut' });
    }
  });

  it('a file that two paths lead to is there, though the second time it found no room', () => {
    expect(read([file('/a/b', 'one'), done, refused('/a/b', EFBIG, '3'), done], ['/a', '/a/b'])).toEqual({
      files: { '/a/b': 'one' },
      notCopied: [],
    });
  });

  it('of two names that are the same in UTF-8, one is told', () => {
    const [one, two] = [Buffer.from('/\xff', 'latin1'), Buffer.from('/\xfe', 'latin1')];
    expect(read([file(one, 'one'), file(two, 'two'), done], ['/'])).toEqual({
      files: { '/\ufffd': 'one' },
      notCopied: [{ path: '/\ufffd', reason: expect.stringContaining('UTF-8') }],
    });
  });
});
