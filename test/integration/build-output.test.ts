import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect } from 'vitest';
import { type Build, type BuildOptions, build, Image } from '../../lib/index.js';
import { buildContext } from '../fixtures/build-context.js';
import { loadBusybox } from '../fixtures/busybox-image.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const BASE = 'test/busybox:1';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar', 'gzip'] });

describe('the output of a build', () => {
  const folder = temporaryFolder();
  const store = useNewStore(folder);

  let count = 0;
  /** A new empty place for what is written. */
  function place(): string {
    const path = join(folder, `place-${count++}`);
    mkdirSync(path);
    return path;
  }

  const LINES = [
    `FROM ${BASE}`,
    'RUN rm /bin/cat && mkdir /o && echo of > /o/file && ln /o/file /o/second && ln -s /etc/passwd /o/link && chown -h 12:34 /o/file /o/link',
    'RUN truncate -s 20000000 /o/holes && echo end >> /o/holes && cp /bin/busybox /o/suid && chmod 4755 /o/suid && echo two > /o/two',
  ];

  async function base(): Promise<void> {
    await (await loadBusybox()).tag(BASE);
  }

  const made = (output: BuildOptions['output'], options: BuildOptions = {}, lines: readonly string[] = LINES): Build =>
    build({ context: buildContext(folder, { a: 'a' }), dockerfile: { content: lines.join('\n') }, pull: 'never', output, ...options });

  it('a tar has the files of all layers, with their owners, as GNU tar reads it', async () => {
    await base();
    const path = join(place(), 'new/out.tar');
    await made({ tar: path });
    const told = execFileSync('tar', ['-tvf', path, '--numeric-owner'], { encoding: 'utf8' }).trim().split('\n');
    const lines = told.filter((line) => / o\//.test(line)).map((line) => line.replace(/ +(\d+) \d{4}-\S+ \S+ /, ' $1 '));
    expect(lines.toSorted()).toEqual(
      [
        'drwxr-xr-x 0/0 0 o/',
        '-rw-r--r-- 12/34 3 o/file',
        '-rw-r--r-- 0/0 20000004 o/holes',
        'lrwxrwxrwx 12/34 0 o/link -> /etc/passwd',
        'hrw-r--r-- 12/34 0 o/second link to o/file',
        expect.stringMatching(/^-rwsr-xr-x 0\/0 \d+ o\/suid$/),
        '-rw-r--r-- 0/0 4 o/two',
      ].toSorted(),
    );
    expect(told.filter((line) => line.endsWith('bin/cat'))).toEqual([]);
    // nothing of what containers are mounted on
    expect(told.filter((line) => / (proc|sys|dev)\/./.test(line))).toEqual([]);
    expect(readdirSync(join(path, '..'))).toEqual(['out.tar']);
  });

  it('a stream gets the bytes that a file gets, and its end', async () => {
    await base();
    const path = join(place(), 'out.tar');
    const stream = new PassThrough();
    const [bytes] = await Promise.all([buffer(stream), made({ tar: stream })]);
    await made({ tar: path });
    expect(bytes.equals(readFileSync(path))).toBe(true);
  });

  it('COPY of a file that is mostly holes makes a small layer, which other tools read, and files with holes again', async () => {
    const size = 96 * 1024 ** 2;
    const context = buildContext(folder, { data: 'begin' });
    truncateSync(join(context, 'data'), size);
    // the same bytes without any hole give the same layer
    const [first, second] = [place(), place()];
    const options = { dockerfile: { content: 'FROM scratch\nCOPY data /' }, sourceDateEpoch: 1000 };
    const { image } = await build({ ...options, context, output: { directory: join(first, 'out') } });
    const full = buildContext(folder, {});
    execFileSync('cp', ['-p', '--sparse=never', join(context, 'data'), full]);
    expect(statSync(join(full, 'data')).blocks * 512).toBeGreaterThanOrEqual(size);
    const again = await build({ ...options, context: full, cache: false });
    expect(again.image.digest).toBe(image.digest);
    // GNU tar reads what is there, and makes the file that was copied
    const blobs = join(store.root, 'blobs/sha256');
    const layers = readdirSync(blobs).filter((name) => readFileSync(join(blobs, name)).readUInt16BE() === 0x1f8b);
    expect(layers).toHaveLength(1);
    const blob = join(blobs, layers[0] ?? '');
    expect(statSync(blob).size).toBeLessThan(100_000);
    execFileSync('tar', ['-xzf', blob, '-C', second]);
    for (const made of [join(second, 'data'), join(first, 'out/data')]) {
      expect(readFileSync(made).equals(readFileSync(join(context, 'data')))).toBe(true);
      expect(statSync(made).blocks * 512).toBeLessThan(4 * 1024 ** 2);
    }
  });

  it('a folder has the files as those of the caller, who alone gets in', async () => {
    await base();
    const path = join(place(), 'new/out');
    const { image } = await made({ directory: path });
    expect(statSync(path).mode & 0o7777).toBe(0o700);
    expect(readFileSync(join(path, 'o/file'), 'utf8')).toBe('of\n');
    expect(readlinkSync(join(path, 'o/link'))).toBe('/etc/passwd');
    const [file, second, holes] = ['file', 'second', 'holes'].map((name) => lstatSync(join(path, 'o', name)));
    expect(file?.ino).toBe(second?.ino);
    expect([file?.uid, file?.gid]).toEqual([process.getuid?.(), process.getgid?.()]);
    expect(holes?.size).toBe(20_000_004);
    expect((holes?.blocks ?? 0) * 512).toBeLessThan(10_000_000);
    expect(readdirSync(join(path, 'bin'))).not.toContain('cat');
    expect(readdirSync(join(path, '..'))).toEqual(['out']);
    expect(image.layers).toHaveLength(3);
    // and once more: a place that has something is left alone
    await expect(made({ directory: path })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining('not empty'),
    });
  });

  it('a folder may be there when it is empty, also behind a link', async () => {
    const parent = place();
    mkdirSync(join(parent, 'real'));
    symlinkSync('real', join(parent, 'link'));
    await made({ directory: join(parent, 'link') }, {}, ['FROM scratch', 'COPY a /']);
    expect(readFileSync(join(parent, 'real/a'), 'utf8')).toBe('a');
    expect(readlinkSync(join(parent, 'link'))).toBe('real');
  });

  it('nothing is written, and no image named, when the build fails', async () => {
    await base();
    const parent = place();
    await expect(made({ directory: join(parent, 'out') }, { tags: ['test/never'] }, [`FROM ${BASE}`, 'RUN exit 3'])).rejects.toThrow('RUN');
    expect(readdirSync(parent)).toEqual([]);
  });

  it.each<[string, (path: string) => BuildOptions['output']]>([
    ['a file is in the way of a folder', (path) => ({ directory: join(path, 'file') })],
    ['a file is in the way of its parent', (path) => ({ directory: join(path, 'file/x') })],
    ['a folder is in the way of a tar', (path) => ({ tar: path })],
    ['a stream fails', () => ({ tar: new Writable({ write: (_, __, done) => done(new RangeError('full')) }) })],
  ])('fails where %s, and leaves nothing', async (_, output) => {
    await base();
    const parent = place();
    const path = join(parent, 'in');
    mkdirSync(path);
    writeFileSync(join(path, 'file'), '');
    await expect(made(output(path), { tags: ['test/never'] })).rejects.toThrow(/ENOTDIR|not a directory|EISDIR|EEXIST|ENOTEMPTY|full/i);
    expect([readdirSync(parent), readdirSync(path)]).toEqual([['in'], ['file']]);
    expect((await Image.list()).map(({ reference }) => reference)).toEqual([`docker.io/${BASE}`]);
  });

  it('an abort while it is written ends the build with the reason', async () => {
    await base();
    const controller = new AbortController();
    // never takes its first bytes
    const stream = new Writable({ write: () => controller.abort(new Error('enough')) });
    await expect(made({ tar: stream }, { cancelSignal: controller.signal, tags: ['test/never'] })).rejects.toThrow('enough');
    expect((await Image.list()).map(({ reference }) => reference)).toEqual([`docker.io/${BASE}`]);
  });
});
