import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, it } from 'vitest';
import { digestOf } from '../../../lib/image/formats/digest.js';
import type { Descriptor } from '../../../lib/image/formats/image-documents.js';
import { Image } from '../../../lib/index.js';
import { type FaultProxy, startProxy } from '../../fixtures/fault-proxy.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { useNewStore } from '../../fixtures/store.js';
import { tarArchive } from '../../fixtures/tar.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const folder = temporaryFolder();
const store = useNewStore(folder);

const MIB = 1024 ** 2;
const limits = { maxBytes: '1m' };
const ARCHITECTURE = { x64: 'amd64', arm64: 'arm64' }[process.arch as 'x64' | 'arm64'];

const servers: FaultProxy[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

/** What of a blob, or of a working file, is in the store. */
const left = (): string[] =>
  ['ingest', 'tmp', 'blobs/sha256', 'layers/sha256'].flatMap((part) => {
    const path = join(store.root, part);
    return existsSync(path) ? readdirSync(path) : [];
  });

const MEDIA = 'application/vnd.oci.image';
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const descriptor = (kind: string, bytes: Buffer): Descriptor => ({
  mediaType: `${MEDIA}.${kind}`,
  digest: digestOf(bytes),
  size: bytes.length,
});
/** A layer that says what it likes of itself. */
const layer = (size: number, name = ''): Descriptor => ({ mediaType: `${MEDIA}.layer.v1.tar`, digest: digestOf(`${size}${name}`), size });

/** A registry with one image: what it sends of a layer is the test's. */
async function registryOf(layers: readonly Descriptor[], send: (digest: string, response: ServerResponse) => void) {
  const config = json({
    os: 'linux',
    architecture: ARCHITECTURE,
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  });
  const manifest = json({ schemaVersion: 2, config: descriptor('config.v1+json', config), layers });
  const server = await startProxy(null, ({ path, response }) => {
    const digest = path.slice(path.lastIndexOf('/') + 1);
    if (path === '/v2/') response.end();
    else if (path.includes('/manifests/')) response.writeHead(200, { 'content-type': `${MEDIA}.manifest.v1+json` }).end(manifest);
    else if (digest === digestOf(config)) response.end(config);
    else send(digest, response);
    return new Promise((resolve) => response.once('close', resolve));
  });
  servers.push(server);
  return { server, name: `${server.host}/test/app:one` };
}

/** Sends zeros as fast as they are taken, without a length. @returns how many so far */
function endless(response: ServerResponse): () => number {
  let sent = 0;
  const zeros = new Readable({
    read() {
      sent += MIB / 4;
      this.push(Buffer.alloc(MIB / 4));
    },
  });
  zeros.pipe(response);
  response.once('close', () => zeros.destroy());
  return () => sent;
}

it('a layer that is said to be too large is not asked for', async () => {
  const huge = layer(2 ** 50);
  const { server, name } = await registryOf([huge], (_, response) => endless(response));
  const pulling = Image.pull(name, { limits, unpack: false });
  await expect(pulling).rejects.toMatchObject({ name: 'ImageError', code: 'ERR_IMAGE_LIMIT', digest: huge.digest });
  await expect(pulling).rejects.toThrow(/1048576 that maxBytes allows/);
  expect(server.asked.filter(({ path }) => path.endsWith(huge.digest))).toEqual([]);
  expect(left()).toEqual([]);
});

it('a layer that has no end is taken no further than it was said to be, and none of it stays', async () => {
  let sent = (): number => 0;
  const { name } = await registryOf([layer(MIB / 2)], (_, response) => {
    sent = endless(response);
  });
  await expect(Image.pull(name, { limits, unpack: false })).rejects.toThrow(/longer than the 524288 bytes/);
  // what is in the sockets' buffers was sent, too
  expect(sent()).toBeLessThan(32 * MIB);
  expect(left()).toEqual([]);
});

it('of an image that is refused no part of another layer stays; of one that was cut off it does', async () => {
  const [first, second] = [layer(1000, 'first'), layer(1000, 'second')];
  for (const [end, stays] of [
    [(response: ServerResponse) => void response.end(Buffer.alloc(1000)), 0],
    [(response: ServerResponse) => void response.destroy(), 1],
  ] as const) {
    store.renew();
    // either may be asked for first
    let [isWanted, fail]: [boolean, () => void] = [false, () => undefined];
    const { name } = await registryOf([first, second], (digest, response) => {
      if (digest === first.digest && isWanted) end(response);
      else if (digest === first.digest) fail = () => end(response);
      else response.writeHead(200, { 'content-length': 1000 }).write('a part');
    });
    const onProgress = ({ digest, bytes }: { digest?: string; bytes?: number }): void => {
      if (digest !== second.digest || bytes !== 6) return;
      isWanted = true;
      fail();
    };
    await expect(Image.pull(name, { retries: 0, unpack: false, onProgress })).rejects.toMatchObject({ name: 'ImageError' });
    const parts = readdirSync(join(store.root, 'ingest')).filter((part) => part === second.digest.replace(':', '-'));
    expect(parts).toHaveLength(stays);
    // it was to stay, and is the next pull's to go on from
    await Image.prune();
  }
});

it('a stream that has no end and no compression is bounded, too', async () => {
  let sent = 0;
  const head = tarArchive({ name: 'large', size: 8 * 1024 ** 3 - 1 }).subarray(0, 512);
  const source = new Readable({
    read() {
      this.push(sent === 0 ? head : Buffer.alloc(MIB));
      sent += MIB;
      // where nothing bounds it, it must end at all
      if (sent > 256 * MIB) this.push(null);
    },
  });
  await expect(Image.load(source, { limits })).rejects.toMatchObject({ code: 'ERR_IMAGE_LIMIT' });
  expect(sent).toBeLessThan(16 * MIB);
  expect(left()).toEqual([]);
});

it.each([
  ['plain', (tar: Buffer) => tar],
  ['compressed', (tar: Buffer) => gzipSync(tar, { level: 0 })],
])('a layer of an archive of docker’s, %s, is bounded', async (_, compress) => {
  const content = compress(tarArchive({ name: 'big', data: Buffer.alloc(4 * MIB) }));
  const config = json({ os: 'linux', architecture: ARCHITECTURE, rootfs: { type: 'layers', diff_ids: [digestOf(content)] } });
  const name = `${'0'.repeat(64)}.json`;
  const manifest = json([{ Config: name, RepoTags: ['app:1'], Layers: [`${'1'.repeat(64)}/layer.tar`] }]);
  const archive = join(folder, 'docker.tar');
  writeFileSync(
    archive,
    tarArchive({ name: 'manifest.json', data: manifest }, { name, data: config }, { name: `${'1'.repeat(64)}/layer.tar`, data: content }),
  );
  await expect(Image.load(archive, { limits })).rejects.toMatchObject({ code: 'ERR_IMAGE_LIMIT' });
  expect(left()).toEqual([]);
  expect(await Image.load(archive, { limits: { maxBytes: '8m' } })).toHaveLength(1);
});

it('a root file system is bounded', async () => {
  const archive = join(folder, 'root.tar');
  writeFileSync(archive, tarArchive({ name: 'big', data: Buffer.alloc(4 * MIB) }));
  await expect(Image.load(archive, { limits })).rejects.toMatchObject({ code: 'ERR_IMAGE_LIMIT' });
  expect(left()).toEqual([]);
});

it('a layer of a folder is bounded, though its file takes no room', async () => {
  const sparse = layer(2 ** 40);
  const layout = join(folder, 'sparse');
  const config = json({ os: 'linux', architecture: ARCHITECTURE, rootfs: { type: 'layers', diff_ids: [sparse.digest] } });
  const manifest = json({ schemaVersion: 2, config: descriptor('config.v1+json', config), layers: [sparse] });
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  const pathOf = (digest: string): string => join(layout, 'blobs', digest.replace(':', '/'));
  for (const bytes of [config, manifest]) writeFileSync(pathOf(digestOf(bytes)), bytes);
  writeFileSync(pathOf(sparse.digest), '');
  truncateSync(pathOf(sparse.digest), sparse.size);
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(layout, 'index.json'), json({ schemaVersion: 2, manifests: [descriptor('manifest.v1+json', manifest)] }));
  await expect(Image.load(layout)).rejects.toMatchObject({ code: 'ERR_IMAGE_LIMIT', digest: sparse.digest });
  await expect((await Image.open(`oci:${layout}`)).tag('app:1')).rejects.toMatchObject({ code: 'ERR_IMAGE_LIMIT' });
  expect(left()).toEqual([]);
});

it('an archive of nothing but headers is refused', async () => {
  const archive = join(folder, 'headers.tar');
  const header = tarArchive({ name: 'oci-layout' }).subarray(0, 512);
  writeFileSync(archive, Buffer.concat(Array<Buffer>(100_001).fill(header)));
  await expect(Image.load(archive)).rejects.toThrow(/more than 100000 headers/);
});

it('documents that are nested without end are refused', async () => {
  const layout = join(folder, 'nested');
  mkdirSync(layout);
  const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(layout, 'index.json'), `{"schemaVersion":2,"manifests":[],"more":${deep}}`);
  await expect(Image.load(layout)).rejects.toMatchObject({ name: 'ImageError', message: expect.stringContaining('nested deeper than') });
});

it('credentials are read from a file alone', async () => {
  const config = join(folder, 'credentials');
  mkdirSync(config);
  execFileSync('mkfifo', [join(config, 'config.json')]);
  process.env.DOCKER_CONFIG = config;
  const server = await startProxy(null, ({ path, response }) => {
    if (path === '/v2/') response.end();
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
  });
  servers.push(server);
  await expect(Image.pull(`${server.host}/app:1`)).rejects.toThrow(/config.json is not a file/);
});
