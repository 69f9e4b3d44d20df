import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { afterEach, beforeEach, expect } from 'vitest';
import { type BuildOptions, type BuildResult, build, Container, Image } from '../../lib/index.js';
import { buildContext } from '../fixtures/build-context.js';
import { type GitRepositories, gitRepositories } from '../fixtures/git-repositories.js';
import { type GitServer, gitServer } from '../fixtures/git-server.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['tar', 'gzip', 'git'] });
const limited = requires({ root: true, tools: ['tar', 'gzip', 'git'] });

const GIBIBYTE = 1024 ** 3;
/** The types of objects in a pack (gitformat-pack(5)). */
const TREE = 2;

/** A pack with one object, whose size is said to be something. */
function packOf(type: number, content: Buffer, size: number): Buffer {
  const head = [(type << 4) | (size % 16)];
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    head[head.length - 1] = (head.at(-1) ?? 0) | 0x80;
    head.push(rest % 128);
  }
  const whole = Buffer.concat([Buffer.from('PACK\0\0\0\x02\0\0\0\x01', 'latin1'), Buffer.from(head), deflateSync(content)]);
  return Buffer.concat([whole, createHash('sha1').update(whole).digest()]);
}

/** One bit of something's middle is another. */
function flipped(bytes: Buffer): Buffer {
  const other = Buffer.from(bytes);
  const middle = Math.floor(other.length / 2);
  other[middle] = (other[middle] ?? 0) ^ 0x10;
  return other;
}

describe('build: ADD of git repositories that are damaged, or whose server means no good', () => {
  const folder = temporaryFolder();
  const store = useNewStore(folder);
  let server: GitServer;
  let repositories: GitRepositories;
  let place = '';
  let count = 0;

  beforeEach(async () => {
    place = join(folder, `repositories-${count++}`);
    mkdirSync(place);
    repositories = gitRepositories(place, '2001-09-09T01:46:40Z');
    server = await gitServer(place);
  });

  afterEach(async () => {
    await server.close();
    expect([await Image.list(), await Container.list()]).toEqual([[], []]);
    const left = existsSync(join(store.root, 'tmp')) ? readdirSync(join(store.root, 'tmp')) : [];
    expect(left.filter((name) => !name.endsWith('.lease'))).toEqual([]);
  });

  const run = (options: BuildOptions = {}, root = server.root): Promise<BuildResult> =>
    build({
      context: buildContext(folder, { same: 'of the context' }),
      dockerfile: { content: `FROM scratch\nADD ${root}/a.git /` },
      pull: 'never',
      network: 'host',
      ...options,
    });

  const refused = (words: RegExp | string): unknown =>
    expect.objectContaining({ name: 'BuildError', line: 2, message: expect.stringMatching(words) });

  /** A repository that is one pack, for a server that has files alone. @returns the pack's path */
  function packed(files: Readonly<Record<string, string>> = { file: 'x'.repeat(1000), other: 'y' }): string {
    repositories.repository('a.git', files);
    repositories.git('a.git', 'repack', '-qad');
    repositories.git('a.git', 'update-server-info');
    const packs = join(place, 'a.git/.git/objects/pack');
    return join(packs, readdirSync(packs).find((name) => name.endsWith('.pack')) ?? '');
  }

  it.each<[string, (body: Buffer) => Buffer, RegExp]>([
    ['with another bit', flipped, /pack|inflate|object/],
    ['that ends early', (body) => body.subarray(0, body.length / 2), /early EOF|pack|inflate|truncated/],
    ['that has more behind it', (body) => Buffer.concat([body, Buffer.from('more')]), /garbage|pack/],
    ['without an object', () => packOf(TREE, Buffer.alloc(0), 0).subarray(0, 12), /pack|early EOF/],
    ['whose objects are others', () => packOf(TREE, Buffer.alloc(0), 0), /[Uu]nable to|Cannot obtain/],
    ['with an object of another size', () => packOf(TREE, Buffer.alloc(64), 65), /inflate|pack/],
    // it is not believed, and no memory given to it
    ['with an object that is said to have 6 GiB', () => packOf(TREE, Buffer.alloc(64), 6 * GIBIBYTE), /[Oo]ut of memory/],
  ])('refuses a pack %s', async (_, change, words) => {
    const pack = packed();
    server.isDumb = true;
    server.changed = (path, body) => (path.endsWith(pack.slice(-20)) ? change(readFileSync(pack)) : body);
    await expect(run()).rejects.toEqual(refused(words));
    server.changed = null;
    await expect(run({ cache: false })).resolves.toBeDefined();
    for (const image of await Image.list()) await (await Image.open(image.digest)).remove();
  });

  it('refuses an object whose name is that of another', async () => {
    repositories.repository('a.git', { file: 'one' });
    repositories.git('a.git', 'update-server-info');
    const object = (hex: string): string => join(place, 'a.git/.git/objects', hex.slice(0, 2), hex.slice(2));
    writeFileSync(join(place, 'a.git/else'), 'two');
    const [meant, other] = [repositories.git('a.git', 'rev-parse', 'HEAD:file'), repositories.git('a.git', 'hash-object', '-w', 'else')];
    const bytes = readFileSync(object(other));
    server.isDumb = true;
    server.changed = (path, body) => (path.endsWith(meant.slice(2)) ? bytes : body);
    await expect(run()).rejects.toEqual(refused(/mismatch|corrupt|[Uu]nable to find/));
  });

  it.each<[string, (body: Buffer) => Buffer]>([
    ['cut', (body) => body.subarray(0, Math.floor(body.length * 0.7))],
    ['changed', flipped],
    ['no pack at all', () => Buffer.from('000dpackfile\n0009\x01x0000', 'latin1')],
    ['of lines that are longer than all', () => Buffer.from('ffffpackfile\n', 'latin1')],
    ['nothing', () => Buffer.alloc(0)],
  ])('refuses an answer with a pack that is %s', async (_, change) => {
    repositories.repository('a.git', { file: 'x'.repeat(1000) });
    server.changed = (path, body) => (path.endsWith('git-upload-pack') && body.includes('PACK') ? change(body) : body);
    await expect(run()).rejects.toEqual(refused(/a\.git: ./));
  });

  it.each([
    ['empty', '001e# service=git-upload-pack\n0000'],
    ['of empty lines', '0004'.repeat(1000)],
    ['a page', '<html>'],
  ])('refuses a listing that is %s', async (_, listing) => {
    repositories.repository('a.git', { file: 'x' });
    server.changed = (path, body) => (path.endsWith('info/refs') ? Buffer.from(listing) : body);
    await expect(run()).rejects.toEqual(refused(/a\.git: ./));
  });

  limited.it('a listing without an end, and files that are larger than they look, end with the memory that they may have', async () => {
    const endless = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-git-upload-pack-advertisement' });
      response.write('001e# service=git-upload-pack\n0000');
      pour(response);
    });
    await once(endless.listen(0, '127.0.0.1'), 'listening');
    try {
      const address = endless.address();
      if (address === null || typeof address === 'string') throw new TypeError('no port');
      await expect(run({ memory: '64m' }, `http://127.0.0.1:${address.port}`)).rejects.toEqual(refused(/a\.git: ./));
    } finally {
      endless.closeAllConnections();
      await new Promise((resolve) => endless.close(resolve));
    }
    repositories.repository('a.git', { file: Buffer.alloc(GIBIBYTE / 4) });
    await expect(run({ memory: '64m' })).rejects.toEqual(refused(/a\.git: ./));
  });
});

/** Writes references until nobody takes them. */
function pour(response: ServerResponse): void {
  const line = `003f${'a'.repeat(40)} refs/heads/${'b'.repeat(7)}\n`;
  const chunk = line.repeat(1000);
  const more = (): void => {
    while (!response.destroyed) if (!response.write(chunk)) return;
  };
  response.on('drain', more);
  more();
}
