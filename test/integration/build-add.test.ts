import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { linkSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { Spools } from '../../lib/build/files/archive-spool.js';
import { FolderTree } from '../../lib/build/files/file-tree.js';
import { type BuildOptions, type BuildResult, build, Container, Image } from '../../lib/index.js';
import { buildContext } from '../fixtures/build-context.js';
import { loadBusybox } from '../fixtures/busybox-image.js';
import { layerListing, tarListing } from '../fixtures/layer-listing.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { isRoot, requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const BASE = 'test/busybox:1';

useLeakCheck();
const TOOLS = ['busybox', 'tar', 'gzip', 'zstd', 'xz', 'bzip2', 'mkfifo', 'setfattr'];
const { describe, it } = requires({ containers: true, tools: TOOLS });
const asRoot = requires({ root: true, tools: [...TOOLS, 'unshare', 'mount'] });

describe('build: ADD and COPY', () => {
  const folder = temporaryFolder();
  useNewStore(folder);

  const context = (files: Record<string, string>): string => buildContext(folder, files);

  async function base(): Promise<void> {
    await (await loadBusybox()).tag(BASE);
  }

  const run = (path: string, content: string, options: BuildOptions = {}): Promise<BuildResult> =>
    build({ context: path, dockerfile: { content }, pull: 'never', ...options });

  async function shell(image: Image, line: string): Promise<string> {
    const { stdout, stderr } = await Container.run({ image, entrypoint: ['/bin/sh'], command: ['-c', line], reject: true });
    return `${stdout}${stderr}`.trim();
  }

  /** A context with an archive of these files, made by GNU tar. */
  function archived(
    files: Record<string, string>,
    options: readonly string[] = [],
    prepare: (path: string) => void = () => undefined,
  ): string {
    const content = context(files);
    prepare(content);
    const path = context({});
    const names = ['--sort=name', '--owner=0', '--group=0', '--mtime=@1000000000', ...options];
    execFileSync('tar', ['-cf', join(path, 'a.tar'), ...names, '-C', content, '.']);
    return path;
  }

  const everyKind = (path: string): void => {
    symlinkSync('../a', join(path, 'd/link'));
    linkSync(join(path, 'a'), join(path, 'other'));
    execFileSync('mkfifo', ['-m', '600', join(path, 'pipe')]);
  };

  it.each([
    ['tar', (tar: Buffer) => tar],
    ['gzip', (tar: Buffer) => gzipSync(tar)],
    ['zstd', (tar: Buffer) => execFileSync('zstd', ['-qc'], { input: tar })],
    ['xz', (tar: Buffer) => execFileSync('xz', ['-c'], { input: tar })],
    ['bzip2', (tar: Buffer) => execFileSync('bzip2', ['-c'], { input: tar })],
  ])('unpacks an archive (%s) as GNU tar has it', async (_, compress) => {
    const long = 'n'.repeat(200);
    const path = archived({ a: 'one', 'd/b c': 'two', [long]: 'x', 'ü\nü': '' }, ['--format=pax', '--owner=1234', '--group=77'], everyKind);
    const tar = readFileSync(join(path, 'a.tar'));
    writeFileSync(join(path, 'a.tar'), compress(tar));
    const { image } = await run(path, 'FROM scratch\nADD a.tar /');
    expect(await layerListing(image, 0, folder)).toEqual(
      tarListing(tar)
        .slice(1)
        .map((line) => line.replaceAll(' ./', ' ')),
    );
    const again = await run(path, 'FROM scratch\nADD a.tar /');
    expect(again.image.digest).toBe(image.digest);
    expect(again.steps.map(({ cached }) => cached)).toEqual([true]);
  });

  it('unpacks over what is there: links are followed, other things make room', async () => {
    await base();
    const path = archived({ 'lib/new': 'new', 'd/x': 'file in a folder', 'f/y': 'z' }, ['--exclude=./lib', '--exclude=./f']);
    // without entries for the folders, which are only implied
    const content = context({ 'lib/new': 'new', 'f/y': 'z' });
    execFileSync('tar', ['-rf', join(path, 'a.tar'), '-C', content, 'lib/new', 'f/y']);
    const { image } = await run(
      path,
      `FROM ${BASE}\nRUN mkdir -p /t/usr/lib /t/d/x /t/f && ln -s /usr/lib /t/lib && touch /t/usr/lib/old /t/d/x/gone /t/f/kept && chmod 700 /t/f\nADD a.tar /t`,
    );
    expect(await shell(image, 'cd /t; readlink lib; cat usr/lib/new d/x f/y; ls usr/lib f; stat -c %a f')).toBe(
      ['/usr/lib', 'newfile in a folderzf:', 'kept', 'y', '', 'usr/lib:', 'new', 'old', '700'].join('\n'),
    );
  });

  it('gives what an archive has the owner of --chown', async () => {
    await base();
    const path = archived({ a: 'x' });
    const { image } = await run(path, `FROM ${BASE}\nADD --chown=5:6 a.tar /x/`);
    expect(await shell(image, 'stat -c "%u:%g %n" /x /x/a')).toBe('5:6 /x\n5:6 /x/a');
  });

  it('copies what is no archive, and any with --unpack=false', async () => {
    await base();
    const path = archived({ a: 'x' });
    writeFileSync(join(path, 'b.gz'), gzipSync('no tar'));
    writeFileSync(join(path, 'zeros'), Buffer.alloc(10_240));
    writeFileSync(join(path, 'short'), Buffer.from([0x1f, 0x8b]));
    writeFileSync(join(path, 'b.xz'), execFileSync('xz', ['-c'], { input: 'no tar' }));
    writeFileSync(join(path, 'b.bz2'), 'BZh91AY&SY');
    const { image } = await run(path, `FROM ${BASE}\nADD b.gz b.bz2 b.xz zeros short /x/\nADD --unpack=false a.tar /x/`);
    expect(await shell(image, 'cd /x; ls; gunzip -c b.gz; tar -tf a.tar')).toBe('a.tar\nb.bz2\nb.gz\nb.xz\nshort\nzeros\nno tar./\n./a');
  });

  it.each<[string, (path: string) => void, string]>([
    [
      'a name that leads out',
      (path) => execFileSync('tar', ['-Pcf', join(path, 'a.tar'), '-C', path, '--transform=s,x,../../x,', 'x']),
      'names with ..',
    ],
    ['a hard link that leads out', (path) => hostile(path, { type: '1', link: '/../etc/passwd' }), 'names with ..'],
    ['a hard link to what is not in there', (path) => hostile(path, { type: '1', link: 'bin/busybox' }), 'no file that came before'],
    ['a whiteout', (path) => hostile(path, { name: '.wh.bin' }), 'begin with .wh.'],
    ['an unknown type', (path) => hostile(path, { type: 'M' }), 'is not unpacked'],
    ['bytes that are missing', (path) => hostile(path, { size: 100_000 }), 'ends too early'],
    ['a bomb', (path) => writeFileSync(join(path, 'a.tar'), bomb()), 'maxRatio'],
    ['a bomb of xz', (path) => writeFileSync(join(path, 'a.tar'), execFileSync('xz', ['-0c'], { input: zeros(65) })), 'maxRatio'],
    ['what xz can tell is damaged', (path) => writeFileSync(join(path, 'a.tar'), cutXz()), 'damaged: xz: (stdin): Unexpected end of input'],
    [
      'a damaged one',
      (path) =>
        writeFileSync(join(path, 'a.tar'), gzipSync(Buffer.concat([header({ size: 100_000 }), randomBytes(100_000)])).subarray(0, -9)),
      'damaged',
    ],
  ])('refuses an archive with %s', async (_, make, message) => {
    await base();
    const path = context({ x: 'x' });
    make(path);
    await expect(run(path, `FROM ${BASE}\nADD a.tar /t/`, { tags: ['test/never'] })).rejects.toMatchObject({
      name: 'BuildError',
      line: 2,
      message: expect.stringContaining(message),
    });
    expect(await Image.list()).toHaveLength(1);
  });

  it('COPY keeps attributes and capabilities, which are part of what it and a mount follow from', async () => {
    await base();
    const path = context({ 'd/a': 'x', plain: '' });
    const set = (name: string, key: string, value: string): void =>
      void execFileSync('setfattr', ['-n', key, '-v', value, join(path, name)]);
    set('d/a', 'user.one', '1');
    set('d', 'user.folder', '2');
    // cap_net_bind_service, permitted and effective (capability.h: VFS_CAP_REVISION_2)
    const capability = '0x0100000200040000000000000000000000000000';
    if (isRoot) set('d/a', 'security.capability', capability);
    const lines = `FROM ${BASE} AS a\nCOPY . /x/\nFROM ${BASE}\nCOPY --chown=5 --from=a /x /y/\nRUN --mount=from=a,source=/x,target=/m true`;
    const { image } = await run(path, lines);
    const expected = [
      ['drwxr-xr-x 5/5 y/', []],
      ['drwxr-xr-x 5/5 y/d/', ['user.folder']],
      ['-rw-r--r-- 5/5 y/d/a', [...(isRoot ? ['security.capability'] : []), 'user.one']],
      ['-rw-r--r-- 5/5 y/plain', []],
    ];
    expect(await attributesOf(image, 1)).toEqual(expected);
    const cached = async (): Promise<unknown> => (await run(path, lines)).steps.map((step) => step.cached);
    expect(await cached()).toEqual([true, true, true]);
    set('d/a', 'user.one', '3');
    expect(await cached()).toEqual([false, false, false]);
    set('d', 'user.folder', '3');
    expect(await cached()).toEqual([false, false, false]);
  });

  /** What GNU tar finds in a layer: files, and the names of their attributes. */
  async function attributesOf(image: Image, index: number): Promise<(readonly [string, string[]])[]> {
    const archive = join(folder, `attributes-${index}.tar`);
    await image.save(archive);
    const blob = execFileSync('tar', ['-xOf', archive, `blobs/${image.layers[index]?.digest.replace(':', '/')}`]);
    const listing = execFileSync('tar', ['--xattrs', '--xattrs-include=*', '--numeric-owner', '-tvvzf', '-'], {
      input: blob,
      encoding: 'utf8',
    });
    const found: [string, string[]][] = [];
    for (const line of listing.trimEnd().split('\n')) {
      const [, name] = /^ +x: +\d+ (.*)$/.exec(line) ?? [];
      if (name === undefined) found.push([line.replace(/^(\S{10})[* ] (\S+) +\d+ \S+ \S+ /, '$1 $2 '), []]);
      else found.at(-1)?.[1].push(name);
    }
    return found;
  }

  it('names the package of a program that is missing', async () => {
    const path = context({});
    writeFileSync(join(path, 'a.tar'), cutXz());
    const before = process.env.PATH;
    process.env.PATH = '';
    try {
      await expect(run(path, 'FROM scratch\nADD a.tar /')).rejects.toMatchObject({
        name: 'BuildError',
        cause: { code: 'ERR_UNSUPPORTED', fix: 'Install it: apt-get install xz-utils.' },
      });
    } finally {
      process.env.PATH = before;
    }
  });

  asRoot.it('warns once of a program that has no ids of its own, with the cause', async () => {
    const path = archived({ a: 'x' });
    execFileSync('xz', [join(path, 'a.tar')]);
    const ids = join(folder, 'ids');
    writeFileSync(ids, 'nacelle:700000:1000\n');
    const script = `mount --bind ${ids} /etc/subuid && mount --bind ${ids} /etc/subgid && exec "$@"`;
    const through = ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, 'sh'];
    const warned = await runNode('build-warned', [path, 'FROM scratch\nADD a.tar.xz /\nADD a.tar.xz /again/'], { through });
    const cause = "userns: 'auto' is not supported here: the ranges of nacelle in /etc/subuid and /etc/subgid have no 65536 ids in common";
    const message = expect.stringContaining(`whose other programs can read its environment: ${cause}`);
    expect(warned).toEqual([{ rule: null, file: 'Dockerfile', line: 0, message }]);
    expect(await runNode('build-warned', [path, 'FROM scratch\nADD a.tar.xz /other/'])).toEqual([]);
  });

  it('an archive that is another one by now is an error', async () => {
    const path = archived({ a: 'x' });
    const { size } = statSync(join(path, 'a.tar'));
    const tree = await FolderTree.open(path);
    const spools = new Spools(() => undefined);
    try {
      const hash = createHash('sha256')
        .update(readFileSync(join(path, 'a.tar')))
        .digest('hex');
      const read = (known: string) => spools.entries('a.tar', size, { tree, known: new Map([['a.tar', known]]), signal: undefined });
      expect(await read(hash)).toHaveLength(2);
      await expect(read('0'.repeat(64))).rejects.toMatchObject({ code: 'ERR_CHANGED' });
      await expect(spools.entries('a.tar', size + 1, { tree, known: new Map(), signal: undefined })).rejects.toMatchObject({
        code: 'ERR_CHANGED',
      });
    } finally {
      await spools.close();
      await tree.close();
    }
  });

  it('a link in an archive leads out of nothing', async () => {
    await base();
    const path = archived({ none: '' }, [], (content) => symlinkSync('../../../etc', join(content, 'up')));
    const more = context({ 'up/passwd2': 'x' });
    execFileSync('tar', ['-rf', join(path, 'a.tar'), '-C', more, 'up/passwd2']);
    const { image } = await run(path, `FROM ${BASE}\nADD a.tar /t/`);
    expect(await shell(image, 'ls /t /t/etc /etc/passwd2 2>&1; true')).toBe(
      ['ls: /etc/passwd2: No such file or directory', '/t:', 'etc', 'none', 'up', '', '/t/etc:', 'passwd2'].join('\n'),
    );
  });

  it('--parents keeps folders, --link needs none of the files before', async () => {
    await base();
    const path = context({ 'src/a/x.c': '1', 'src/a/y.h': '2', 'src/b/z.c': '3', top: '4' });
    const text = (first: string): string =>
      `FROM ${BASE}\nRUN ${first}\nCOPY --parents src/**/*.c top /p/\nCOPY --link --parents ./src/./a /l\nADD --link top /l/m/`;
    const { image, steps } = await run(path, text('true'));
    expect(await shell(image, 'find /p /l -type f | sort')).toBe('/l/a/x.c\n/l/a/y.h\n/l/m/top\n/p/src/a/x.c\n/p/src/b/z.c\n/p/top');
    expect(steps.map(({ cached }) => cached)).toEqual([false, false, false, false]);
    // what is linked stays when something before it is another
    const { steps: later } = await run(path, text('touch /new'));
    expect(later.map(({ cached }) => cached)).toEqual([false, false, true, true]);
    await expect(run(path, `FROM ${BASE}\nCOPY --parents src/none /x/`)).rejects.toThrow('"/src/none": not found');
    await expect(run(path, `FROM ${BASE}\nCOPY --link --chown=root top /x/`)).rejects.toThrow('not in /etc/passwd');
  });

  it('the same file with --parents and without is not the same step', async () => {
    const path = context({ f: '1' });
    const { image } = await run(path, 'FROM scratch\nCOPY f /x');
    const { image: other } = await run(path, 'FROM scratch\nCOPY --parents f /x');
    expect((await layerListing(image, 0, folder)).map((line) => line.split(' ').at(-1))).toEqual(['x']);
    expect((await layerListing(other, 0, folder)).map((line) => line.split(' ').at(-1))).toEqual(['x/', 'x/f']);
  });
});

interface Fields {
  readonly name?: string;
  readonly type?: string;
  readonly link?: string;
  readonly size?: number;
}

/** A header as POSIX has it (pax: ustar Interchange Format). */
function header({ name = 'x', type = '0', link = '', size = 0 }: Fields): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write('0000644\0' + '0000000\0' + '0000000\0', 100);
  block.write([size, 0].map((number) => `${number.toString(8).padStart(11, '0')}\0`).join(''), 124);
  block.write(`        ${type}${link}`, 148);
  block.write('ustar\0' + '00', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function hostile(path: string, fields: Fields): void {
  writeFileSync(join(path, 'a.tar'), Buffer.concat([header(fields), Buffer.alloc(1024)]));
}

/** A little file that would be a large one. */
function bomb(): Buffer {
  return gzipSync(zeros(256));
}

/** A tar with a file of so many MiB. */
function zeros(size: number): Buffer {
  return Buffer.concat([header({ size: size * 1024 ** 2 }), Buffer.alloc(size * 1024 ** 2)]);
}

function cutXz(): Buffer {
  const size = 300_000;
  return execFileSync('xz', ['-0c'], { input: Buffer.concat([header({ size }), randomBytes(size)]) }).subarray(0, -100_000);
}
