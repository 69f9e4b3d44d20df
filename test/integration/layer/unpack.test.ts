import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect } from 'vitest';
import { feed, LAYER_COMPILER, layerDriver, newFolder } from '../../fixtures/layer.js';
import { requires } from '../../fixtures/requires.js';
import { paxRecord, type TarEntry, tarArchive, tarEntry } from '../../fixtures/tar.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { differences, inventory } from '../../fixtures/tree.js';

const { describe, it } = requires({ root: true, tools: [LAYER_COMPILER, 'bash', 'tar', 'getfattr', 'setfattr', 'strace'] });

let driver = '';
let root = '';
const parent = temporaryFolder();
beforeAll(async () => {
  driver = await layerDriver();
});
beforeEach(() => {
  root = newFolder(parent);
});

function unpack(archive: Uint8Array, ...options: string[]): string {
  return feed(driver, ['unpack', root, 'devices=1', ...options], archive).error;
}

/** A folder with something of everything. */
function everything(): string {
  const folder = newFolder(parent);
  const script = `
    umask 022
    mkdir -p d/e/f ro secret empty 'with space' "$(printf 'n%.0s' $(seq 200))/$(printf 'm%.0s' $(seq 200))"
    echo one > d/one; echo two > d/e/two; : > empty-file; head -c 300000 /dev/urandom > big
    ln d/one d/e/hard; ln d/one hard-too; ln -s d/one link; ln -s /nowhere/at/all dangling
    ln -s "$(printf 't%.0s' $(seq 150))" long-link; ln link link-to-link
    echo long > "$(printf 'n%.0s' $(seq 200))/$(printf 'm%.0s' $(seq 200))/$(printf 'f%.0s' $(seq 150))"
    mkfifo fifo; mknod null c 1 3; mknod loop b 7 200
    echo x > ro/file; chmod 0555 ro; echo y > secret/file; chmod 0000 secret
    echo s > suid; chown 1000:2000 suid; chmod 6755 suid; chmod 1777 empty; chown -h 12:34 link; chown 4000000000:3000000 big
    setfattr -n user.one -v 1 d/one; setfattr -n user.dir -v '' d; setfattr -n user.a=b%c -v 'x=y' big
    setfattr -h -n trusted.link -v z dangling
    cp /bin/true capable; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 capable
    setfattr -n system.posix_acl_access -v 0x0200000001000600ffffffff02000700e803000004000400ffffffff10000700ffffffff20000400ffffffff d/e/two
    setfattr -n system.posix_acl_default -v 0x0200000001000700ffffffff04000500ffffffff080005000500000010000500ffffffff20000500ffffffff d/e
    printf new > "$(printf 'line\\nbreak')"; printf b > "$(printf 'byte\\377')"; printf u > 'ünï'
    truncate -s 10M hole; printf data | dd of=hole bs=1 seek=5000000 conv=notrunc status=none
    truncate -s 3M all-hole; for i in $(seq 0 60); do printf x | dd of=many bs=1 seek=$((i * 100000)) conv=notrunc status=none; done; truncate -s 7M many
    touch -d '1969-12-31 12:00:00.25 UTC' big; touch -h -d '2001-02-03 04:05:06.789 UTC' link; touch -d '2040-01-01 UTC' empty-file
    touch -d '1999-01-01 UTC' d/e/f; touch -d '1998-01-01 UTC' d/e; touch -d '1997-01-01 UTC' d ro secret`;
  execFileSync('bash', ['-ec', script], { cwd: folder });
  return folder;
}

const TAR = ['--warning=none', '--xattrs', '--xattrs-include=*', '--numeric-owner'];

/** The archive unpacked by GNU tar. */
function gnu(archive: Uint8Array): string {
  const folder = newFolder(parent);
  execFileSync('tar', ['-C', folder, ...TAR, '-xpf', '-'], { input: archive });
  return folder;
}

function gnuPack(folder: string, ...options: string[]): Buffer {
  return execFileSync('tar', ['-C', folder, ...TAR, ...options, '-cf', '-', '.'], { maxBuffer: 1 << 28 });
}

const plain = (name: string, data = ''): TarEntry => ({ name, data });

describe('against GNU tar', () => {
  it.each([
    ['pax', []],
    ['pax with holes, 1.0', ['--sparse', '--sparse-version=1.0']],
    ['pax with holes, 0.1', ['--sparse', '--sparse-version=0.1']],
    ['pax with holes, 0.0', ['--sparse', '--sparse-version=0.0']],
    ['gnu', ['--format=gnu', '--no-xattrs']],
    ['gnu with holes', ['--format=gnu', '--no-xattrs', '--sparse']],
  ] as const)('%s', (name, options) => {
    const source = everything();
    const archive = gnuPack(source, ...(name.startsWith('pax') ? ['--format=posix'] : []), ...options);
    expect(unpack(archive)).toBe('');
    // GNU tar, from its own archive, has lost what that format can't hold: it is the oracle, and not the source.
    const oracle = inventory(gnu(archive));
    expect(differences(inventory(root), oracle)).toEqual([]);
    expect(Object.keys(oracle).length).toBeGreaterThan(30);
    if (name.startsWith('pax')) expect(differences(inventory(root), inventory(source))).toEqual([]);
    if (name.includes('holes')) {
      for (const file of ['hole', 'all-hole', 'many']) expect(statSync(join(root, file)).blocks).toBeLessThan(1000);
    }
  });

  it.each(['ustar', 'v7'])('%s', (format) => {
    const source = newFolder(parent);
    execFileSync(
      'bash',
      [
        '-ec',
        'mkdir -p a/b; echo 1 > a/b/c; ln a/b/c h; ln -s h s; p=$(printf "p%.0s" $(seq 60)); [ "$0" = v7 ] || { mkdir -p $p/$p; echo 2 > $p/$p/f; }; touch -d @5 a/b/c',
        format,
      ],
      { cwd: source },
    );
    const archive = execFileSync('tar', ['-C', source, `--format=${format}`, '-cf', '-', '.'], { maxBuffer: 1 << 28 });
    expect(unpack(archive)).toBe('');
    expect(differences(inventory(root), inventory(gnu(archive)))).toEqual([]);
  });

  it('entries written by hand: contiguous files, folders by a slash, the same name twice', () => {
    const archive = tarArchive(
      { ...plain('contiguous', 'c'), type: '7' },
      { ...plain('old-folder/'), type: '\0', mode: 0o711 },
      plain('twice', 'one'),
      plain('twice', 'second'),
      { ...plain('x'), pax: { path: 'named', mtime: '12.000000001', uid: '3000000', comment: 'nothing' } },
      { ...plain('y', 'abc'), mode: 0o4755, uid: 3, gid: 4 },
    );
    expect(unpack(archive)).toBe('');
    expect(differences(inventory(root), inventory(gnu(archive)))).toEqual([]);
  });

  it('a header’s sum of unsigned bytes, and of signed ones as old archives have it, and no other', () => {
    const entry = tarEntry({ name: Buffer.from('high \xff\x80\xfe', 'latin1') });
    const counted = Buffer.concat([entry.subarray(0, 148), Buffer.from(' '.repeat(8)), entry.subarray(156, 512)]);
    const sum = (bytes: Iterable<number>): number => [...bytes].reduce((all, byte) => all + byte, 0);
    const [unsigned, signed] = [sum(counted), sum(new Int8Array(counted))];
    expect(unsigned - signed).toBe(3 * 256);
    const outcome = (value: number): string => {
      entry.write(`${value.toString(8).padStart(6, '0')}\0 `, 148);
      return unpack(Buffer.concat([entry, Buffer.alloc(1024)]));
    };
    expect([unsigned, signed].map(outcome)).toEqual(['', '']);
    for (const wrong of [unsigned + 1, signed - 1, unsigned - 256]) expect(outcome(wrong)).toMatch(/EBADMSG: .*checksum/);
  });

  it('times before 1970 with a fraction', () => {
    for (const [mtime, nanoseconds] of [
      ['-1.25', -1_250_000_000n],
      ['-0.5', -500_000_000n],
      ['-3', -3_000_000_000n],
      ['1.9999999999', 1_999_999_999n],
      ['-0.0000000001', -1n],
    ] as const) {
      expect(unpack(tarArchive({ ...plain('t'), pax: { mtime } }))).toBe('');
      expect(statSync(join(root, 't'), { bigint: true }).mtimeNs).toBe(nanoseconds);
    }
  });
});

describe('metadata', () => {
  it('security.capability has its exact bytes, after the change of owner', () => {
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
    expect(
      unpack(tarArchive({ ...plain('f'), uid: 7, gid: 8, mode: 0o6755, pax: { 'SCHILY.xattr.security.capability': capability } })),
    ).toBe('');
    expect(inventory(root)['/f']).toContain(`security.capability=0x${capability.toString('hex')}`);
    expect(statSync(join(root, 'f'))).toMatchObject({ uid: 7, gid: 8, mode: 0o106755 });
  });

  it('security.selinux is the host’s', () => {
    expect(unpack(tarArchive({ ...plain('f'), pax: { 'SCHILY.xattr.security.selinux': 'x' } }))).toBe('');
  });

  it('owner=0 gives all to root', () => {
    expect(unpack(tarArchive({ ...plain('f'), uid: 7 }, { name: 'l', type: '2', link: 'f', uid: 7, gid: 8 }), 'owner=0')).toBe('');
    expect(Object.values(inventory(root)).every((facts) => facts.includes('owner 0:0'))).toBe(true);
  });

  it('a read-only folder is filled, and times of folders stay, also when entries come back to them', () => {
    const folder = (name: string, mtime: number, mode: number): TarEntry => ({ name, type: '5', mtime, mode });
    expect(
      unpack(
        tarArchive(
          folder('.', 10, 0o700),
          folder('a', 20, 0o555),
          plain('a/1'),
          folder('a/b', 30, 0),
          plain('c'),
          plain('a/b/2'),
          folder('a', 40, 0o511),
        ),
      ),
    ).toBe('');
    expect(statSync(root)).toMatchObject({ mtimeMs: 10_000, mode: 0o040700 });
    expect(statSync(join(root, 'a'))).toMatchObject({ mtimeMs: 40_000, mode: 0o040511 });
    expect(statSync(join(root, 'a/b'))).toMatchObject({ mtimeMs: 30_000, mode: 0o040000 });
  });

  it('folders that nobody lists are made, 0755 whatever the umask', () => {
    execFileSync('sh', ['-c', 'umask 077; "$1" unpack "$2"', 'sh', driver, root], { input: tarArchive(plain('p/q/f')) });
    expect(statSync(join(root, 'p/q'))).toMatchObject({ mode: 0o040755, uid: 0 });
    expect(statSync(join(root, 'p/q/f')).mode).toBe(0o100644);
  });

  it('an existing folder keeps its content and takes the entry’s attributes', () => {
    mkdirSync(join(root, 'd'));
    writeFileSync(join(root, 'd/kept'), '');
    execFileSync('setfattr', ['-n', 'user.old', '-v', '1', join(root, 'd')]);
    expect(unpack(tarArchive({ name: 'd', type: '5', mode: 0o750, uid: 9, pax: { 'SCHILY.xattr.user.new': '2' } }))).toBe('');
    expect(inventory(root)['/d']).toMatch(/mode 40750, owner 9:0.*user\.new=0x32$/);
    expect(readFileSync(join(root, 'd/kept'), 'utf8')).toBe('');
  });

  it('nothing inherits an ACL from a folder that was there', () => {
    const acl = '0x0200000001000700ffffffff04000500ffffffff080005000500000010000500ffffffff20000500ffffffff';
    mkdirSync(join(root, 'd'));
    execFileSync('setfattr', ['-n', 'system.posix_acl_default', '-v', acl, join(root, 'd')]);
    const made = [
      plain('d/f'),
      { name: 'd/e', type: '5' },
      { name: 'd/p', type: '6' },
      { name: 'd/l', type: '2', link: 'x' },
      plain('d/new/f'),
    ];
    expect(unpack(tarArchive(...made))).toBe('');
    const found = inventory(root);
    expect(found['/d']).toContain('posix_acl_default');
    expect(Object.entries(found).filter(([path, facts]) => path !== '/d' && facts.includes('acl'))).toEqual([]);
  });

  it('nothing in a layer inherits an ACL from where the layer is made', () => {
    for (const kind of ['access', 'default']) {
      const acl = '0x0200000001000700ffffffff02000700e803000004000500ffffffff10000500ffffffff20000000ffffffff';
      execFileSync('setfattr', ['-n', `system.posix_acl_${kind}`, '-v', acl, root]);
    }
    const made: TarEntry[] = [
      { ...plain('f'), mode: 0o777 },
      { name: 'e', type: '5' },
      { name: 'p', type: '6' },
      plain('e/f'),
      plain('i/f'),
    ];
    expect(unpack(tarArchive(...made), 'whiteouts=overlay')).toBe('');
    const found = inventory(root);
    expect(Object.entries(found).filter(([, facts]) => facts.includes('acl'))).toEqual([]);
    expect([found['/f'], found['/e'], found['/e/f']].map((facts) => facts?.split(',')[0])).toEqual([
      'mode 100777',
      'mode 40755',
      'mode 100644',
    ]);
  });

  it.each([[], ['whiteouts=overlay']])('owners and modes in a folder that gives its group to what is made in it (%s)', (...options) => {
    const folder = (name: string, mode: number, gid: number): TarEntry => ({ name, type: '5', mode, gid });
    const file = (name: string, mode: number, uid: number, gid: number): TarEntry => ({ ...plain(name, 'x'), mode, uid, gid });
    const archive = tarArchive(
      file('before', 0o600, 0, 0),
      folder('s', 0o2775, 7),
      file('s/ours', 0o644, 0, 0),
      file('s/its', 0o664, 0, 7),
      file('s/other', 0o4750, 5, 6),
      file('s/set', 0o6711, 0, 0),
      file('s/closed', 0, 0, 0),
      file('s/all', 0o1777, 0, 7),
      { name: 's/link', type: '2', link: 'ours', gid: 0 },
      { name: 's/its-link', type: '2', link: 'its', gid: 7 },
      folder('s/plain', 0o755, 0),
      file('s/plain/ours', 0o444, 0, 0),
      folder('s/kept', 0o3777, 7),
      file('s/kept/its', 0o755, 0, 7),
      file('after', 0o777, 0, 0),
      // the same folder gives another group from here on
      folder('s', 0o2775, 9),
      file('s/ours-too', 0o644, 0, 0),
      file('s/its-too', 0o644, 0, 9),
      folder('s', 0o755, 9),
      file('s/last', 0o640, 0, 0),
    );
    expect(unpack(archive, ...options)).toBe('');
    expect(differences(inventory(root), inventory(gnu(archive)))).toEqual([]);
  });

  it('the last word on a folder that has several entries, of its ACL too', () => {
    const acl = Buffer.from('0200000001000700ffffffff04000500ffffffff080005000500000010000500ffffffff20000500ffffffff', 'hex');
    const withAcl: Partial<TarEntry> = { pax: { 'SCHILY.xattr.system.posix_acl_default': acl } };
    const entry = (name: string, mtime: number, more: Partial<TarEntry> = {}): TarEntry => ({ name, type: '5', mtime, ...more });
    const entries = [
      entry('lost', 1, withAcl),
      entry('won', 1),
      entry('lost', 2, { mode: 0o500 }),
      entry('won', 2, withAcl),
      plain('lost/f'),
    ];
    expect(unpack(tarArchive(...entries, entry('file', 3), plain('file'), plain('dir'), entry('dir', 4)))).toBe('');
    const found = inventory(root);
    expect(found['/lost']).toBe('mode 40500, owner 0:0, time 2000000000');
    expect(found['/won']).toMatch(/^mode 40755, owner 0:0, time 2000000000, system.posix_acl_default=/);
    expect(found['/dir']).toBe('mode 40755, owner 0:0, time 4000000000');
    expect(found['/file']).toMatch(/^mode 100644/);
  });

  it('the modes and times of more folders than are kept in memory', () => {
    const name = (index: number): string => `${index % 50}/${'n'.repeat(100)}-${index}`;
    const modes = [0o755, 0o500, 0o1777, 0];
    const entries = Array.from({ length: 20_000 }, (_, index): TarEntry => {
      return { name: name(index), type: '5', mode: modes[index % modes.length] ?? 0, mtime: 1000 + index, pax: { path: name(index) } };
    });
    expect(unpack(Buffer.concat([...entries.map(tarEntry), Buffer.alloc(1024)]))).toBe('');
    for (const [index, { mode = 0, mtime = 0 }] of entries.entries()) {
      const status = statSync(join(root, name(index)));
      if ((status.mode & 0o7777) !== mode || status.mtimeMs !== mtime * 1000)
        expect([name(index), status.mode, status.mtimeMs]).toEqual([]);
    }
    expect(readdirSync(root)).toHaveLength(50);
  });

  it('long names and links in GNU tar’s way', () => {
    const name = `d/${'n'.repeat(200)}`;
    const link = 't'.repeat(300);
    const long = (type: string, text: string): Buffer => tarEntry({ name: '././@LongLink', type, data: `${text}\0` });
    const archive = Buffer.concat([long('L', name), long('K', link), tarArchive({ name: 'short', type: '2', link: 'short' })]);
    expect(unpack(archive)).toBe('');
    expect(inventory(root)[`/${name}`]).toContain(`link ${link}`);
  });

  it('a PAX time for all entries, and one entry’s own', () => {
    const global = tarEntry({ name: 'g', type: 'g', data: Buffer.concat([paxRecord('mtime', '5'), paxRecord('uid', '6')]) });
    expect(unpack(Buffer.concat([global, tarArchive(plain('a'), { ...plain('b'), pax: { mtime: '8' } })]))).toBe('');
    expect([statSync(join(root, 'a')), statSync(join(root, 'b'))]).toMatchObject([
      { mtimeMs: 5000, uid: 6 },
      { mtimeMs: 8000, uid: 6 },
    ]);
  });
});

// the sanitizers' runtime has calls of its own, and can't be traced
const traced = process.env.NACELLE_SANITIZE === '1' ? it.skip : it;

traced('makes a file of a layer by no more system calls than it needs', () => {
  const trace = join(newFolder(parent), 'trace');
  /** How often each call is made for files like this one, beyond what the same archive without them takes. */
  const calls = (make: (name: string) => TarEntry): Record<string, number> => {
    const counts = [0, 50].map((files) => {
      const archive = tarArchive(
        { name: 'd', type: '5' },
        make('d/first'),
        ...Array.from({ length: files }, (_, index) => make(`d/${index}`)),
      );
      feed('strace', ['-f', '-o', trace, driver, 'unpack', newFolder(parent), 'devices=1', 'whiteouts=overlay'], archive);
      const names = readFileSync(trace, 'utf8').matchAll(/^\d+ +(\w+)\(/gm);
      return [...names].reduce((sum, [, name = '']) => sum.set(name, (sum.get(name) ?? 0) + 1), new Map<string, number>());
    });
    const [none, all] = counts;
    const more = [...(all ?? [])].map(([name, count]) => [name, (count - (none?.get(name) ?? 0)) / 50] as const);
    // the archive is read in pieces that are larger than a file, and kept in memory
    return Object.fromEntries(more.filter(([, count]) => count >= 0.5));
  };
  const made = { openat: 1, utimensat: 1, close: 1 };
  expect(calls((name) => plain(name))).toEqual(made);
  expect(calls((name) => plain(name, 'x'.repeat(3000)))).toEqual({ ...made, pwrite64: 1 });
  expect(calls((name) => ({ ...plain(name), uid: 5 }))).toEqual({ ...made, fchown: 1 });
  expect(calls((name) => ({ ...plain(name), mode: 0o4755 }))).toEqual({ ...made, fchmod: 1 });
});

traced('lets nobody at what is unpacked where others are, before it has its owner', () => {
  const trace = join(newFolder(parent), 'trace');
  const archive = tarArchive(
    { name: 'secret/', type: '5', mode: 0o770, uid: 5 },
    { ...plain('secret/file', 'x'), mode: 0o640, uid: 5, gid: 5 },
  );
  feed('strace', ['-f', '-o', trace, driver, 'unpack', newFolder(parent), 'devices=1', 'whiteouts=apply'], archive);
  const made = readFileSync(trace, 'utf8').matchAll(/(?:mkdirat|openat)\(.*"(?:secret|file)",.* (0\d+)\)/g);
  expect([...made].map(([, mode]) => mode)).toEqual(['0700', '0600']);
});

it('reads a large sparse archive without filling the holes', () => {
  const source = newFolder(parent);
  const file = openSync(join(source, 'huge'), 'w');
  writeSync(file, 'begin');
  ftruncateSync(file, 20 * 2 ** 30);
  writeSync(file, 'end', 12 * 2 ** 30);
  closeSync(file);
  expect(unpack(gnuPack(source, '--sparse', '--format=posix'))).toBe('');
  expect(statSync(join(root, 'huge'))).toMatchObject({ size: 20 * 2 ** 30 });
  expect(statSync(join(root, 'huge')).blocks).toBeLessThan(100);
});

it('makes holes of zeros in files that were packed whole, wherever they lie, and keeps all that is more', () => {
  const source = newFolder(parent);
  const zeros = (size: number): Buffer => Buffer.alloc(size);
  // ends that are not those of what is read at once, zeros first and last, a single byte between, and too few for a hole
  writeFileSync(
    join(source, 'a'),
    Buffer.concat([
      zeros(3 << 20),
      Buffer.from('x'),
      zeros(2 << 20),
      Buffer.alloc(70_001, 'y'),
      zeros(9_999),
      Buffer.from('z'),
      zeros(1 << 20),
    ]),
  );
  writeFileSync(join(source, 'b'), zeros(700_000));
  writeFileSync(join(source, 'c'), Buffer.concat([Buffer.alloc(16_384, 'x'), zeros(16_384), Buffer.alloc(16_384, 'x'), zeros(1)]));
  expect(unpack(gnuPack(source))).toBe('');
  for (const name of ['a', 'b', 'c']) expect(readFileSync(join(root, name)).equals(readFileSync(join(source, name)))).toBe(true);
  const blocks = (name: string): number => statSync(join(root, name)).blocks * 512;
  expect(blocks('a')).toBeLessThan(256 << 10);
  expect(blocks('b')).toBe(0);
});
