import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { archiveEntries, isTarHeader, paxRecords } from '../../../lib/build/files/archive-entries.js';
import { type ArchiveEntry, unpackOnto } from '../../../lib/build/files/archive-files.js';
import { EMPTY_TREE, type FileTree, FolderTree } from '../../../lib/build/files/file-tree.js';
import { Landing } from '../../../lib/build/files/landing.js';
import { padding, TAR_END, type TarEntry, tarHeader } from '../../../lib/build/files/tar-header.js';
import { InstructionProblem } from '../../../lib/build/language/build-error.js';
import { ImageError, isNacelleError } from '../../../lib/errors.js';
import { DEFAULT_LIMITS } from '../../../lib/image/formats/default-limits.js';

const root = mkdtempSync(join(tmpdir(), 'nacelle-archive-'));
afterAll(() => rmSync(root, { recursive: true }));

async function read(bytes: Buffer, limits = DEFAULT_LIMITS): Promise<readonly ArchiveEntry[]> {
  const path = join(root, 'a.tar');
  writeFileSync(path, bytes);
  const file = await open(path);
  try {
    return await archiveEntries(file, { what: 'x', signal: undefined }, limits);
  } finally {
    await file.close();
  }
}

const plain: TarEntry = { path: 'a', type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 0, target: '' };
const entry = (fields: Partial<ArchiveEntry>): ArchiveEntry => ({ ...plain, bytes: null, ...fields });
const tar = (...entries: readonly TarEntry[]): Buffer =>
  Buffer.concat([...entries.flatMap((one) => [tarHeader(one), Buffer.alloc(one.size, 1), padding(one.size)]), TAR_END]);

/** Extended headers, one after the other, and no file that they are about. */
function manyHeaders(): Buffer {
  const one = tar(entry({ xattrs: new Map([['user.a', Buffer.alloc(60_000)]]) }));
  const header = one.subarray(0, one.indexOf('ustar', 512) - 257);
  return Buffer.concat(Array.from({ length: 20 }, () => header));
}

describe('archiveEntries', () => {
  test('an empty name is that of the folder itself', async () => {
    expect((await read(tar(entry({ path: '' })))).map(({ path }) => path)).toEqual(['.']);
  });

  const types = fc.constantFrom<TarEntry['type']>('file', 'folder', 'link', 'hardlink', 'fifo');
  const name = fc.stringMatching(/^[^/\0\ufffd]{1,150}$/u);

  test('property: what was written is read', async () => {
    const written = fc.record({
      path: fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/')),
      type: types,
      mode: fc.nat(0o7777),
      uid: fc.nat(2 ** 31),
      gid: fc.nat(2 ** 31),
      mtime: fc.integer({ min: -(2 ** 33), max: 2 ** 34 }),
      size: fc.nat(2000),
      target: name,
      xattrs: fc.dictionary(fc.constantFrom('user.a', 'security.capability'), fc.uint8Array({ minLength: 1, maxLength: 20 })),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(written, { maxLength: 4 }), async (all) => {
        const entries = all.map(({ xattrs, ...one }) => ({
          ...one,
          mode: one.type === 'link' ? 0o777 : one.mode,
          size: one.type === 'file' ? one.size : 0,
          target: one.type === 'link' || one.type === 'hardlink' ? one.target : '',
          xattrs: new Map(Object.entries(xattrs).map(([key, value]) => [key, Buffer.from(value)])),
        }));
        const found = await read(tar(...entries));
        expect(
          found.map(({ bytes: _, path, xattrs = new Map(), ...rest }) => ({ ...rest, xattrs, path: path.replace(/\/$/, '') })),
        ).toEqual(entries);
      }),
    );
  });

  test('property: whatever bytes are damaged, nothing but a refusal comes of it', async () => {
    const whole = tar(entry({ size: 3 }), entry({ path: 'ü'.repeat(90), type: 'link', target: 'x' }), entry({ path: 'd', type: 'folder' }));
    const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(damage, fc.nat(whole.length), fc.boolean(), async (bytes, length, mends) => {
        const damaged = Buffer.from(whole.subarray(0, length));
        for (const [at, byte] of bytes) if (at < length) damaged[at] = byte;
        // so that more than checksums are tried
        if (mends) for (let at = 0; at + 512 <= length; at += 512) mend(damaged.subarray(at, at + 512));
        await read(damaged).catch((error: unknown) => {
          if (!(error instanceof InstructionProblem) && !isNacelleError(error)) throw error;
        });
      }),
    );
  });

  test.each<[Buffer, Partial<typeof DEFAULT_LIMITS>, string]>([
    [tar(entry({}), entry({ path: 'b' })), { maxEntries: 1 }, 'more than 1 entries'],
    [tar(entry({ path: 'a/b/c' })), { maxDepth: 2 }, 'more than 2 names'],
    [tar(entry({ path: 'abcdef' })), { maxPathLength: 5 }, 'more than 5 bytes'],
    [tar(entry({ path: 'a', type: 'link', target: 'a/'.repeat(3000) })), {}, 'more than 4095 bytes'],
    [tar(entry({ path: 'a', type: 'link', target: 'a/'.repeat(600) })), {}, 'more than 512 names'],
    [manyHeaders(), {}, 'bytes for one entry'],
  ])('holds limits: %#', async (bytes, limits, message) => {
    const reading = read(bytes, { ...DEFAULT_LIMITS, ...limits });
    await expect(reading).rejects.toThrow(ImageError);
    await expect(reading).rejects.toThrow(message);
  });

  test.each<[string, Partial<TarEntry>]>([
    ['a whiteout of overlayfs', { type: 'char', device: { major: 0, minor: 0 } }],
    ['a link to nothing', { type: 'link' }],
    ['a device whose number is none', { type: 'char', device: { major: -1, minor: -1 } }],
  ])('refuses %s', async (_, fields) => {
    await expect(read(tar(entry(fields)))).rejects.toThrow(InstructionProblem);
  });

  test.each(['ustar\x0000', 'ustar  \0'])('reads the numbers of a device where the format is %j', async (format) => {
    const bytes = tar(entry({ type: 'block', device: { major: 8, minor: 0o7777 } }));
    bytes.write(format, 257, 'latin1');
    mend(bytes.subarray(0, 512));
    expect(await read(bytes)).toMatchObject([{ type: 'block', device: { major: 8, minor: 0o7777 } }]);
  });

  test('refuses a sparse file', async () => {
    const bytes = tar(entry({ xattrs: new Map([['a', Buffer.from('1')]]) }));
    bytes.write('GNU.sparse.abc', bytes.indexOf('SCHILY.xattr.a'));
    await expect(read(bytes)).rejects.toThrow('SparseFile, which is not unpacked');
  });

  test('knows a tar by its checksum, of whatever format', () => {
    const block = tarHeader(plain);
    expect(isTarHeader(block)).toBe(true);
    block.fill(0, 257, 265);
    expect(isTarHeader(block)).toBe(false);
    mend(block);
    expect(isTarHeader(block)).toBe(true);
    expect(isTarHeader(Buffer.alloc(512))).toBe(false);
    expect(isTarHeader(block.subarray(0, 511))).toBe(false);
  });
});

test.each<[string, Record<string, string> | null]>([
  ['9 a=b\n', null],
  ['6 a=b\n', { a: 'b' }],
  ['6 a=b\n6 a=c\n', { a: 'c' }],
  ['6 a=b\n5 a=\n', {}],
  ['6 a=b\n7 b=\n\n\n', { a: 'b', b: '\n\n' }],
  ['8 a=b\n\n\n', { a: 'b\n\n' }],
  ['06 a=b\n', null],
  ['-6 a=b\n', null],
  ['5 ab\n', null],
  ['', {}],
])('paxRecords(%j)', (text, wanted) => {
  const found = paxRecords(Buffer.from(text));
  expect(found && Object.fromEntries([...found].map(([key, value]) => [key, value.toString()]))).toEqual(wanted);
});

test('an archive is read no further once its reader has had enough', async () => {
  const path = join(root, 'many.tar');
  writeFileSync(path, tar(...Array.from({ length: 2000 }, (_, index) => entry({ path: `${index}` }))));
  const file = await open(path);
  try {
    const controller = new AbortController();
    const reading = archiveEntries(file, { what: 'x', signal: controller.signal }, DEFAULT_LIMITS);
    controller.abort(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
  } finally {
    await file.close();
  }
});

describe('unpackOnto', () => {
  test('hard links that lead to each other are the file that the first of them was', async () => {
    const landing = new Landing(EMPTY_TREE);
    const entries = [
      entry({ path: 'f' }),
      entry({ path: 'h', type: 'hardlink', target: 'f' }),
      entry({ path: 'f', type: 'hardlink', target: 'h' }),
    ];
    await unpackOnto(landing, entries, { folder: '', owner: null, madeAt: 0, signal: undefined });
    expect((await landing.get('f'))?.kind).toBe('file');
    expect((await landing.get('h'))?.kind).toBe('file');
  });

  test.each(['..', '.', 'a\0b'])('no file has the name %j', (name) => {
    expect(() => new Landing(EMPTY_TREE).add(entry({ path: `d/${name}` }))).toThrow('is no name of a file');
  });

  const unpacked = (...entries: readonly ArchiveEntry[]): Promise<string[]> => unpackedOver(EMPTY_TREE, ...entries);
  const unpackedOver = async (onto: FileTree, ...entries: readonly ArchiveEntry[]): Promise<string[]> => {
    const landing = new Landing(onto);
    await unpackOnto(landing, entries, { folder: 't', owner: null, madeAt: 0, signal: undefined });
    return [...landing.files].map(({ path, type, target }) => `${type} ${path}${target === '' ? '' : ` > ${target}`}`);
  };

  test('a folder in the place of a link has nothing of where the link led', async () => {
    mkdirSync(join(root, 'onto/t/usr/x'), { recursive: true });
    symlinkSync('usr', join(root, 'onto/t/lib'));
    const onto = await FolderTree.open(join(root, 'onto'));
    try {
      expect(await unpackedOver(onto, entry({ path: 'lib/x/y' }))).toEqual(['file t/usr/x/y']);
      expect(await unpackedOver(onto, entry({ path: 'lib', type: 'folder' }), entry({ path: 'lib/x/y' }))).toEqual([
        'folder t/lib',
        'folder t/lib/x',
        'file t/lib/x/y',
      ]);
    } finally {
      await onto.close();
    }
  });

  test('a link that came before is followed, below the folder alone', async () => {
    const link = entry({ path: 'l', type: 'link', target: '../../d' });
    expect(await unpacked(link, entry({ path: './l/a' }), entry({ path: '/b', type: 'hardlink', target: 'l/a' }))).toEqual([
      'folder t',
      'link t/l > ../../d',
      'folder t/d',
      'file t/d/a',
      'hardlink t/b > t/d/a',
    ]);
  });

  test.each<[string, readonly ArchiveEntry[], string]>([
    [
      'a folder that comes back',
      [entry({ path: 'd', type: 'folder' }), entry({ path: 'd' }), entry({ path: 'd', type: 'folder' })],
      'a folder again',
    ],
    ['a file as a folder', [entry({ path: 'd' }), entry({ path: 'd/a' })], 'non-directory'],
    ['a hard link to a folder', [entry({ path: 'd', type: 'folder' }), entry({ path: 'a', type: 'hardlink', target: 'd' })], 'no file'],
    ['a hard link to itself', [entry({}), entry({ type: 'hardlink', target: './a' })], 'no file'],
    [
      'a hard link to what made room',
      [entry({ path: 'd/a' }), entry({ path: 'd' }), entry({ path: 'b', type: 'hardlink', target: 'd/a' })],
      'no file',
    ],
    ['..', [entry({ path: 'a/../../b' })], 'names with ..'],
    ['a whiteout', [entry({ path: 'd/.wh..wh..opq' })], 'begin with .wh.'],
  ])('refuses %s', async (_, entries, message) => {
    await expect(unpacked(...entries)).rejects.toThrow(message);
  });
});

/** Puts the checksum of a header right. */
function mend(block: Buffer): void {
  block.write('        ', 148, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
