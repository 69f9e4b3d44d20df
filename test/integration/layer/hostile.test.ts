import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, beforeEach, expect } from 'vitest';
import { feed, LAYER_COMPILER, layerDriver, newFolder } from '../../fixtures/layer.js';
import { requires } from '../../fixtures/requires.js';
import { octal, paxRecord, type TarEntry, tarArchive, tarEntry } from '../../fixtures/tar.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { inventory } from '../../fixtures/tree.js';

const needs = { root: true, tools: [LAYER_COMPILER, 'getfattr'] };
const { describe, it } = requires(needs);

let driver = '';
let root = '';
let outside = '';
const parent = temporaryFolder();
beforeAll(async () => {
  driver = await layerDriver();
});

/** Beside the root lies what nothing may touch: canaries, of which their inventory tells every change. */
beforeEach(() => {
  root = newFolder(parent);
  outside = join(dirname(root), 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'canary'), 'alive');
  writeFileSync(join(outside, 'f'), 'alive');
});

const file = (name: string, data = 'new'): TarEntry => ({ name, data });
const folder = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({ name, type: '5', ...more });
const symlink = (name: string, link: string): TarEntry => ({ name, type: '2', link });
const hardLink = (name: string, link: string): TarEntry => ({ name, type: '1', link });

function run(mode: 'unpack' | 'open', archive: Uint8Array, ...options: string[]): string {
  const before = inventory(outside);
  const { error } = feed(driver, [mode, root, ...options], archive);
  expect(inventory(outside)).toEqual(before);
  return error;
}

function unpack(entries: TarEntry[], ...options: string[]): string {
  return run('unpack', tarArchive(...entries), ...options);
}

const names = (): string[] => readdirSync(root).sort();
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

// Each runs confined, as in the shim, and again with nothing but the resolution of paths to hold it in.
describe.each(['unpack', 'open'] as const)('what would leave the root, by %s', (mode) => {
  const attempt = (...entries: TarEntry[]): string => run(mode, tarArchive(...entries));

  it.each(['../x', '/../x', 'a/../../x', '..', './..', 'a/..', '/a/../x'])('%s is refused', (name) => {
    expect(attempt(file(name))).toMatch(/^EPERM: entry .*climbs out of the layer/);
    expect(names()).toEqual([]);
    expect(existsSync(join(root, '../x'))).toBe(false);
  });

  it('absolute names are below the root', () => {
    expect(attempt(file('/x'), file('//y'), file('./././z'))).toBe('');
    expect(names()).toEqual(['x', 'y', 'z']);
  });

  it.each(['../outside', '/../outside', '../../../../../../../..'])('a symlink to %s as parent', (target) => {
    attempt(symlink('l', target), file('l/f'));
    expect(readFileSync(join(outside, 'f'), 'utf8')).toBe('alive');
  });

  it('an absolute symlink as parent', () => {
    expect(attempt(symlink('l', outside), file('l/f'))).toMatch(/^E/);
  });

  it('an absolute symlink leads to a folder of the layer', () => {
    expect(attempt(folder('etc'), symlink('l', '/etc'), file('l/f'))).toBe('');
    expect(read('etc/f')).toBe('new');
  });

  it('chains and loops of symlinks as parents', () => {
    const chain = Array.from({ length: 30 }, (_, index) => symlink(`l${index}`, `l${index + 1}`));
    expect(attempt(...chain, symlink('l30', '/../../d'), folder('d'), file('l0/f'))).toBe('');
    expect(read('d/f')).toBe('new');
    expect(attempt(symlink('a', 'b'), symlink('b', 'a'), file('a/f'))).toMatch(/^ELOOP: /);
    expect(
      attempt(...Array.from({ length: 60 }, (_, index) => symlink(`m${index}`, `m${index + 1}`)), folder('m60'), file('m0/f')),
    ).toMatch(/^ELOOP: /);
  });

  it('a dangling symlink as parent is not made', () => {
    expect(attempt(symlink('l', '../outside/new'), file('l/f'))).toMatch(/^ENOTDIR: the folder l: /);
  });

  it('a hard link to a host path', () => {
    const target = join(outside, 'canary');
    expect(attempt(hardLink('h', target))).toMatch(/^ENOENT: entry h: the hard link's target/);
    expect(attempt(hardLink('h', '../outside/canary'))).toMatch(/^EPERM: .*climbs out/);
    expect(attempt(symlink('l', '../outside'), hardLink('h', 'l/canary'))).toMatch(/^ENOENT: /);
    expect(statSync(target).nlink).toBe(1);
  });

  it('a hard link through a symlinked parent stays inside', () => {
    expect(attempt(folder('d'), file('d/canary', 'inside'), symlink('l', '/d'), hardLink('h', 'l/canary'))).toBe('');
    expect(read('h')).toBe('inside');
    expect(statSync(join(root, 'h')).nlink).toBe(2);
  });

  it('a hard link to a symlink is the symlink', () => {
    expect(attempt(symlink('l', '../outside/canary'), hardLink('h', 'l'))).toBe('');
    expect(readlinkSync(join(root, 'h'))).toBe('../outside/canary');
    expect(lstatSync(join(root, 'h')).nlink).toBe(2);
  });

  it('a file, folder or device in a symlink’s place does not follow it', () => {
    const link = symlink('f', '../outside/f');
    expect(attempt(link, { ...file('f'), mode: 0o777, uid: 5, gid: 6, pax: { 'SCHILY.xattr.user.a': 'b' } })).toBe('');
    expect(lstatSync(join(root, 'f')).isFile()).toBe(true);
    expect(attempt(symlink('f', '../outside'), folder('f', { mode: 0o700, uid: 7 }))).toBe('');
    expect(lstatSync(join(root, 'f')).isDirectory()).toBe(true);
    expect(attempt(link, { name: 'f', type: '6', mode: 0o777, uid: 5 })).toBe('');
    expect(lstatSync(join(root, 'f')).isFIFO()).toBe(true);
    expect(attempt(link, symlink('f', 'elsewhere'))).toBe('');
    expect(readlinkSync(join(root, 'f'))).toBe('elsewhere');
  });

  it('a symlink that is given owner, time and attributes is changed itself', () => {
    expect(attempt({ ...symlink('l', '../outside/f'), uid: 12, gid: 13, mtime: 5, pax: { 'SCHILY.xattr.trusted.a': 'b' } })).toBe('');
    expect(lstatSync(join(root, 'l'))).toMatchObject({ uid: 12, gid: 13, mtimeMs: 5000 });
  });

  it('a parent that became a symlink after it was used', () => {
    expect(attempt(folder('d'), file('d/a'), symlink('d', '../outside'), file('d/f'))).toMatch(/^E/);
    expect(attempt(folder('e'), folder('d'), file('d/a'), symlink('d', 'e'), file('d/f'))).toBe('');
    expect(read('e/f')).toBe('new');
  });

  it('whiteouts below a symlinked parent', () => {
    attempt(symlink('l', '../outside'), file('l/.wh.canary'), file('l/.wh..wh..opq'));
    attempt(symlink('l', outside), file('l/.wh.canary'));
    expect(readdirSync(outside).sort()).toEqual(['canary', 'f']);
  });

  it('links that the target had before', () => {
    symlinkSync('../outside', join(root, 'l'));
    writeFileSync(join(dirname(root), 'shared'), 'alive');
    linkSync(join(dirname(root), 'shared'), join(root, 'g'));
    attempt(file('l/f'), folder('l/d'));
    // a name is replaced, never written into
    expect(attempt(file('g'))).toBe('');
    expect(readFileSync(join(dirname(root), 'shared'), 'utf8')).toBe('alive');
  });

  it('a writer that swaps a parent for a symlink meanwhile', () => {
    mkdirSync(join(root, 'd'));
    const archive = tarArchive(...Array.from({ length: 300 }, (_, index) => [file(`d/f${index}`), file(`g${index}/x`)]).flat());
    const script = 'i=0; while [ -e go ]; do mv -T d e; ln -s ../outside d; rm d; mv -T e d; done';
    writeFileSync(join(root, 'go'), '');
    const before = inventory(outside);
    execFileSync(
      'sh',
      ['-c', `(cd "$2" && ${script}) 2>/dev/null & "$1" ${mode} "$2" 2>/dev/null; cat >/dev/null; rm "$2/go"; wait`, 'sh', driver, root],
      {
        input: archive,
      },
    );
    expect(inventory(outside)).toEqual(before);
  });
});

describe('names', () => {
  it.each([symlink('.', 'x'), file('.'), hardLink('./', 'x'), file(''), symlink('', 'x')])('%o is refused', (entry) => {
    expect(unpack([file('x'), entry])).toMatch(/^E(PERM|BADMSG): /);
  });

  it('a symlink to nothing is refused', () => {
    expect(unpack([symlink('l', '')])).toMatch(/^EBADMSG: entry l: a symlink to nothing/);
  });

  it('a component of 300 bytes', () => {
    expect(unpack([{ ...file('x'), pax: { path: `a/${'n'.repeat(300)}` } }])).toMatch(/^ENAMETOOLONG: .*longer than 255 bytes/);
    expect(unpack([{ ...file('x'), pax: { path: `${'n'.repeat(255)}/y` } }])).toBe('');
  });

  it('invalid UTF-8 twins are two files', () => {
    expect(
      unpack([
        { name: Buffer.from('a\xff', 'latin1'), data: '1' },
        { name: Buffer.from('a\xfe', 'latin1'), data: '2' },
      ]),
    ).toBe('');
    expect(
      readdirSync(root, { encoding: 'buffer' })
        .map((name) => name.toString('latin1'))
        .sort(),
    ).toEqual(['a\xfe', 'a\xff']);
  });

  it('control characters are escaped in the message', () => {
    expect(unpack([file('../a\x1b[31m')])).toContain('entry ../a\\x1b[31m: climbs');
  });

  it('limits', () => {
    expect(unpack([file('a/b/c/d')], 'maxDepth=3')).toMatch(/^EDOM: .*deeper than maxDepth allows/);
    expect(unpack([file('abcdef')], 'maxPathLength=5')).toMatch(/^EDOM: .*more bytes than maxPathLength allows/);
    expect(unpack([file('a'), file('b'), file('c')], 'maxEntries=2')).toMatch(/^EDOM: entry c: there are more entries than maxEntries/);
    expect(unpack([file('p/q/r/a')], 'maxEntries=3')).toMatch(/^EDOM: .*maxEntries/);
    expect(unpack([file('big', 'x'.repeat(100_000))], 'maxBytes=60000')).toMatch(/^EDOM: the archive has more bytes than maxBytes allows/);
    expect(run('unpack', Buffer.concat([tarArchive(file('a')), Buffer.alloc(1 << 20)]), 'maxBytes=60000')).toMatch(/^EDOM: /);
  });

  it('options that are not known', () => {
    for (const option of ['devices=2', 'nonsense=1', 'maxBytes=', 'maxBytes=-1', 'devices']) expect(unpack([], option)).toMatch(/^EINVAL/);
  });
});

describe('types', () => {
  it('file, folder, file at one name', () => {
    expect(unpack([file('x', '1'), folder('x'), file('x/y'), file('x', '3')])).toBe('');
    expect(read('x')).toBe('3');
    expect(unpack([folder('x'), file('x/y'), symlink('x', 'y')])).toBe('');
    expect(readlinkSync(join(root, 'x'))).toBe('y');
  });

  it('a file where a parent should be is an error', () => {
    expect(unpack([file('x'), file('x/y')])).toMatch(/^ENOTDIR: the folder x: /);
  });

  it('a hard link to itself changes nothing, one to a folder is refused', () => {
    expect(unpack([file('x', '1'), hardLink('x', './x')])).toBe('');
    expect(read('x')).toBe('1');
    expect(unpack([folder('d'), hardLink('h', 'd')])).toMatch(/^EPERM: entry h: a hard link to a folder/);
  });

  it('devices only when they are allowed, and 0:0 never', () => {
    const device = (numbers: [number, number], type = '3'): TarEntry => ({ name: 'n', type, device: numbers, mode: 0o666 });
    expect(unpack([device([1, 3])])).toMatch(/^EPERM: entry n: device nodes are not allowed/);
    for (const whiteouts of ['apply', 'overlay']) {
      expect(unpack([device([0, 0])], 'devices=1', `whiteouts=${whiteouts}`)).toMatch(
        /^EPERM: entry n: the device 0:0 would be a whiteout/,
      );
      expect(unpack([device([0, 0], '4')], 'devices=1', `whiteouts=${whiteouts}`)).toMatch(/^EPERM/);
    }
    expect(names()).toEqual([]);
    expect(unpack([device([1, 3])], 'devices=1')).toBe('');
    expect(statSync(join(root, 'n'))).toMatchObject({ rdev: (1 << 8) | 3, mode: 0o020666 });
    expect(unpack([device([0xffffff, 0])], 'devices=1')).toMatch(/^EBADMSG: .*no such device number/);
  });

  it('unknown types', () => {
    for (const type of ['D', 'M', 'V', 'N', '8', '~'])
      expect(unpack([{ name: 'x', type }])).toMatch(/^EBADMSG: entry x: its type . is unknown/);
  });

  it('data after what has none', () => {
    for (const type of ['1', '2', '3', '5', '6'])
      expect(unpack([file('t'), { name: 'x', type, link: 't', data: 'smuggled' }])).toMatch(/^EBADMSG: .*only a file can have a size/);
  });
});

describe('headers', () => {
  it('a wrong checksum, in the first block and later', () => {
    const archive = tarArchive(file('a'), file('b'));
    archive[1024 + 3] = 1;
    expect(run('unpack', archive)).toMatch(/^EBADMSG: a header's checksum is wrong/);
    expect(run('unpack', Buffer.from('this is no tar'.padEnd(1024)))).toMatch(/^EBADMSG: a header's checksum/);
  });

  it('a block of zeros and then more', () => {
    expect(run('unpack', Buffer.concat([tarEntry(file('a')), Buffer.alloc(512), tarArchive(file('b'))]))).toMatch(
      /^EBADMSG: the archive goes on/,
    );
  });

  it('what follows the end is read and ignored', () => {
    expect(run('unpack', Buffer.concat([tarArchive(file('a')), Buffer.alloc(3 << 20), tarArchive(file('b'))]))).toBe('');
    expect(names()).toEqual(['a']);
  });

  it('sizes: negative, huge, base-256, not a number', () => {
    const base256 = (first: number, rest: number): Buffer => Buffer.from([first, ...Array<number>(11).fill(rest)]);
    for (const size of [
      base256(0xff, 0xff),
      base256(0x80, 0xff),
      base256(0xc0, 0),
      Buffer.from('-0000000001\0'),
      Buffer.from('0000000009x\0'),
    ]) {
      expect(unpack([{ name: 'a', size }])).toMatch(/^EBADMSG: entry a: its size/);
    }
    expect(unpack([{ name: 'a', size: Buffer.from([0x80, 0, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255]) }])).toMatch(
      /^EBADMSG: entry a: its size is impossible/,
    );
    expect(unpack([{ name: 'a', size: octal(0o77777777777, 12) }])).toMatch(/^EBADMSG: the archive ends too early/);
    expect(unpack([{ name: 'a', size: Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]), data: 'abc' }])).toBe('');
    expect(read('a')).toBe('abc');
  });

  it('owners that chown would take for unchanged', () => {
    expect(unpack([{ ...file('a'), change: (block) => Buffer.from([0x80, 0, 0, 0, 255, 255, 255, 255]).copy(block, 108) }])).toMatch(
      /^EBADMSG: .*uid/,
    );
    expect(unpack([{ ...file('a'), pax: { gid: '4294967295' } }])).toMatch(/^EBADMSG: the PAX record gid/);
  });

  it('a PAX size counts, as in GNU tar', () => {
    expect(unpack([{ ...file('a', 'abcdef'), size: 2, pax: { size: '6' } }])).toBe('');
    expect(read('a')).toBe('abcdef');
  });

  it.each([
    ['a NUL in a path', paxRecord('path', 'a\0b')],
    ['a NUL in a link', paxRecord('linkpath', 'a\0b')],
    ['a NUL in a key', paxRecord('pa\0th', 'a')],
    ['a newline in a key', paxRecord('pa\nth', 'a')],
    ['no newline', Buffer.from('9 path=ab')],
    ['a length too long', Buffer.from('99 path=a\n')],
    ['a length too short', Buffer.from('7 path=a\n')],
    ['a huge length', Buffer.from('99999999999999999999 path=a\n')],
    ['a leading zero', Buffer.from('010 path=a\n')],
    ['no key', Buffer.from('5 =a\n')],
    ['no equals sign', Buffer.from('7 path\n')],
    ['padding', Buffer.concat([paxRecord('path', 'a'), Buffer.alloc(3)])],
    ['a negative size', paxRecord('size', '-1')],
    ['a size with blanks', paxRecord('size', ' 1')],
    ['a size past 63 bits', paxRecord('size', '9223372036854775808')],
    ['a time with letters', paxRecord('mtime', '1e3')],
  ])('PAX: %s is refused', (_, records) => {
    const archive = Buffer.concat([tarEntry({ name: 'h', type: 'x', data: records }), tarArchive(file('a'))]);
    expect(run('unpack', archive)).toMatch(/^EBADMSG: (a|the) PAX record/);
    expect(names()).toEqual([]);
  });

  it('PAX for all entries may not name or size them', () => {
    for (const key of ['path', 'linkpath', 'size', 'SCHILY.xattr.user.a', 'GNU.sparse.size']) {
      expect(run('unpack', Buffer.concat([tarEntry({ name: 'g', type: 'g', data: paxRecord(key, '1') }), tarArchive(file('a'))]))).toMatch(
        /^EBADMSG: .*for all entries/,
      );
    }
    const comment = Buffer.concat([paxRecord('comment', 'x'), paxRecord('mtime', '7')]);
    expect(run('unpack', Buffer.concat([tarEntry({ name: 'g', type: 'g', data: comment }), tarArchive(file('a'))]))).toBe('');
    expect(statSync(join(root, 'a')).mtimeMs).toBe(7000);
  });

  it('an extended header that is too long', () => {
    for (const type of ['x', 'g', 'L', 'K'])
      expect(unpack([{ name: 'x', type, size: 1 << 21 }])).toMatch(/^EBADMSG: an extended header of/);
  });

  it.each(['1,2', '5,10,0,5', '0,10,5,10', '0,99', '0,1,2', '0,', 'a,b', '0,18446744073709551615'])(
    'the map of holes %s is refused',
    (map) => {
      expect(unpack([{ ...file('a', '0123456789'), pax: { 'GNU.sparse.size': '50', 'GNU.sparse.map': map } }])).toMatch(/^EBADMSG: /);
    },
  );
});
