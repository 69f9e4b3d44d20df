import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { Container, Image, type RunOptions, Volume } from '../../../lib/index.js';
import { loadBusybox } from '../../fixtures/busybox-image.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { missing, requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { differences, inventory } from '../../fixtures/tree.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const needs = { root: true, tools: ['busybox', 'tar', 'setfattr', 'getfattr', 'setcap'] };
const { it } = requires(needs);
const folder = temporaryFolder();
const store = useNewStore(folder);

/** An image, as a folder, with what `script` makes in it. */
async function imageWith(script: string): Promise<{ root: string; image: string }> {
  const root = mkdtempSync(join(folder, 'root-'));
  execFileSync('cp', ['-a', `${await busyboxRootfs()}/.`, root]);
  execFileSync('sh', ['-ec', script], { cwd: root });
  return { root, image: `dir:${root}` };
}

const everyKind = `
mkdir -p data/deep/er; cd data; echo text > file; chmod 4711 file; chown 7:8 file; ln file deep/same; ln -s /etc/passwd link; mkfifo fifo
mknod null c 1 3; setfattr -n user.note -v hello deep; touch -d @1000 deep/er; truncate -s 1M sparse; echo end >> sparse
cp ../bin/busybox cap; setcap cap_net_raw+ep cap; : > .wh.file; chown 1000:1000 .; chmod 2750 .`;

let made = { root: '', image: '' };
beforeAll(async () => {
  if (missing(needs).length === 0) made = await imageWith(everyKind);
});

async function run(script: string, options: RunOptions): Promise<string> {
  const { stdout } = await Container.run({ image: made.image, command: ['sh', '-c', script], reject: true, ...options });
  return stdout;
}

const dataOf = async (name: string): Promise<string> => (await Volume.open(name)).path;

describe('a volume that is empty', () => {
  it('takes the files that the image has there, with all that belongs to them', async () => {
    expect(await run('cat /data/file; stat -c "%u:%g %a" /data', { volumes: ['data:/data'] })).toBe('text\n1000:1000 2750\n');
    expect(differences(inventory(join(made.root, 'data')), inventory(await dataOf('data')))).toEqual([]);
  });

  it.each<[string, RunOptions]>([
    ["the option ':nocopy'", { volumes: ['data:/data:nocopy'] }],
    ["options: ['nocopy']", { mounts: [{ type: 'volume', source: 'data', target: '/data', options: ['nocopy'] }] }],
  ])('takes nothing with %s', async (_, options) => {
    expect(await run('ls -A /data; stat -c "%u:%g %a" /data', options)).toBe('0:0 755\n');
  });

  it('is made where the image has nothing', async () => {
    expect(await run('ls -A /new/place; echo x > /new/place/file', { volumes: ['data:/new/place'] })).toBe('');
    expect(readFileSync(join(await dataOf('data'), 'file'), 'utf8')).toBe('x\n');
  });

  it('takes what an image of several layers shows there, and not what it hides', async () => {
    const changed = async (image: Image, script: string): Promise<Image> => {
      await using container = await Container.create({ image, command: ['sh', '-c', script] });
      await container.start();
      await container.wait();
      return await Image.commit(container);
    };
    const filled = await changed(await loadBusybox(), 'mkdir -p /data/deep; echo old > /data/old; touch /data/deep/old; echo a > /data/a');
    const image = await changed(filled, 'rm -r /data/deep /data/old; mkdir /data/deep; echo new > /data/deep/new');
    const { stdout } = await Container.run({ image, command: ['find', '/data'], volumes: ['data:/data'] });
    expect(stdout.trim().split('\n').sort()).toEqual(['/data', '/data/a', '/data/deep', '/data/deep/new']);
    expect(readdirSync(await dataOf('data'), { recursive: true }).sort()).toEqual(['a', 'deep', 'deep/new']);
  });

  it("takes a rootfs's files too", async () => {
    const { stdout } = await Container.run({ rootfs: made.root, command: ['cat', '/data/file'], volumes: ['data:/data'] });
    expect(stdout).toBe('text\n');
    writeFileSync(join(await dataOf('data'), 'mine'), '');
    expect(readdirSync(join(made.root, 'data'))).not.toContain('mine');
  });

  it('is filled once, and keeps what it has then', async () => {
    await run('rm -r /data/deep; echo changed > /data/file', { volumes: ['data:/data'] });
    expect(await run('cat /data/file; ls -d /data/deep || true', { volumes: ['data:/data'] })).toBe('changed\n');
    expect(await run('ls -A /data/ | sort | head -1', { volumes: ['data:/data:ro'] })).toBe('.wh.file\n');
  });

  it('is filled also when it is mounted read-only, at a place where the root is', async () => {
    const script = 'cat /data/file; touch /data/x 2>/dev/null || echo refused; touch /x 2>/dev/null || echo refused';
    expect(await run(script, { volumes: ['data:/data:ro'], readOnly: true })).toBe('text\nrefused\nrefused\n');
  });
});

describe('a volume', () => {
  it('is shared by containers, and outlives them', async () => {
    await using writer = await Container.create({
      image: made.image,
      command: ['sh', '-c', 'until [ -e /data/go ]; do usleep 10000; done; echo heard > /data/answer'],
      volumes: ['data:/data'],
    });
    await writer.start();
    await run('touch /data/go; until [ -e /data/answer ]; do usleep 10000; done', { volumes: ['data:/data'] });
    await writer.wait();
    await writer.remove();
    expect(readFileSync(join(await dataOf('data'), 'answer'), 'utf8')).toBe('heard\n');
  });

  it('is in use until its last container is removed', async () => {
    const options = { image: made.image, command: ['true'], volumes: ['data:/data'] };
    const containers = [await Container.create(options), await Container.create(options)];
    const volume = await Volume.open('data');
    for (const container of containers) {
      await expect(volume.remove()).rejects.toMatchObject({ code: 'ERR_IN_USE', message: expect.stringContaining('data') });
      expect(await Volume.prune({ all: true })).toEqual({ volumes: [] });
      await container.remove();
    }
    await volume.remove();
    await expect(Volume.open('data')).rejects.toMatchObject({ code: 'ERR_NO_VOLUME' });
  });

  it('is let go of when the container can not be made', async () => {
    const wrong = { image: made.image, command: ['true'], volumes: ['data:/data', '/nowhere/at/all:/x'] };
    await expect(Container.run(wrong)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(Container.run({ ...wrong, volumes: ['data:/data'], user: 'ghost' })).rejects.toThrow(/ghost/);
    await (await Volume.open('data')).remove();
  });

  it('is mounted at two places of one container', async () => {
    expect(await run('echo x > /data/new; cat /other/new', { volumes: ['data:/data', 'data:/other'] })).toBe('x\n');
  });

  it('opens no device', async () => {
    expect(await run('cat /data/null 2>/dev/null || echo refused', { volumes: ['data:/data'] })).toBe('refused\n');
  });
});

describe('many that begin at once', () => {
  it('in one process fill a volume once', async () => {
    const script = 'cat /data/file && find /data | wc -l';
    const outputs = await Promise.all(Array.from({ length: 8 }, () => run(script, { volumes: ['data:/data'] })));
    expect(new Set(outputs).size).toBe(1);
    expect(differences(inventory(join(made.root, 'data')), inventory(await dataOf('data')))).toEqual([]);
  });

  it('in several processes fill it once, each sees all of it, and none takes away what another wrote', async () => {
    const { image, root } = await imageWith('mkdir data; cd data; for i in $(seq 300); do echo $i > file$i; done');
    const script = (index: number) => `ls /data | grep -c ^file; echo ${index} > /data/by${index}`;
    const outputs = await Promise.all(
      [0, 1, 2, 3].map((index) => runNode<string>('use-volume', [image, 'data:/data', 'sh', '-c', script(index)])),
    );
    expect(outputs).toEqual(['300\n', '300\n', '300\n', '300\n']);
    expect(readdirSync(await dataOf('data'))).toHaveLength(304);
    expect(readdirSync(join(root, 'data'))).toHaveLength(300);
    expect(readdirSync(join(store.root, 'volumes'))).toEqual(['data']);
  });
});

describe('a hostile image', () => {
  const secret = mkdtempSync(join(folder, 'secret-'));
  writeFileSync(join(secret, 'key'), 'of the host', { mode: 0o600 });
  afterAll(() => expect(readdirSync(secret)).toEqual(['key']));

  it.each([
    ['an absolute link', () => secret],
    ['a link that climbs', () => `../../../../../../..${secret}`],
    ['a magic link', () => '/proc/self/root/etc'],
    ['a link to the store', () => store.root],
  ])('gets nothing of the host by %s at the target', async (_, target) => {
    const { root, image } = await imageWith('rm -rf data');
    symlinkSync(target(), join(root, 'data'));
    await Container.run({ image, command: ['true'], volumes: ['data:/data'] }).catch(() => undefined);
    expect(readdirSync(await dataOf('data'))).toEqual([]);
  });

  it('gets nothing by a link on the way, and a link to a folder of the image is followed there', async () => {
    const { root, image } = await imageWith('mkdir -p real/data; echo inside > real/data/file');
    symlinkSync('/real', join(root, 'way'));
    const { stdout } = await Container.run({ image, command: ['cat', '/way/data/file'], volumes: ['data:/way/data'] });
    expect(stdout).toBe('inside\n');
    symlinkSync(secret, join(root, 'out'));
    await Container.run({ image, command: ['true'], volumes: ['other:/out/deep'] }).catch(() => undefined);
    expect(readdirSync(await dataOf('other'))).toEqual([]);
  });

  it('gets its links copied as links, also those that lead out of the volume', async () => {
    const { root, image } = await imageWith('mkdir data');
    symlinkSync(join(secret, 'key'), join(root, 'data/key'));
    symlinkSync(secret, join(root, 'data/folder'));
    chownSync(join(root, 'data'), 1, 2);
    const { stdout } = await Container.run({
      image,
      command: ['sh', '-c', 'cat /data/key /data/folder/key 2>&1 | grep -c "No such"'],
      volumes: ['data:/data'],
    });
    expect(stdout).toBe('2\n');
    expect(differences(inventory(join(root, 'data')), inventory(await dataOf('data')))).toEqual([]);
  });

  it('that has a file at the target is refused', async () => {
    const { image } = await imageWith('echo x > data');
    await expect(Container.run({ image, command: ['true'], volumes: ['data:/data'] })).rejects.toMatchObject({ code: 'ENOTDIR' });
    await (await Volume.open('data')).remove();
  });
});

describe('a volume without a name', () => {
  it.each<[string, RunOptions]>([
    ["'/data'", { volumes: ['/data'] }],
    ['a mount without a source', { mounts: [{ type: 'volume', target: '/data' }] }],
    ["'/data' with the upper on disk", { volumes: ['/data'], upper: 'disk' }],
  ])('by %s holds what the image has, can be written to, and goes with the container', async (_, options) => {
    const script = 'cat /data/file; echo w > /data/x && cat /data/x; touch /x 2>/dev/null || echo refused';
    expect(await run(script, { ...options, readOnly: true })).toBe('text\nw\nrefused\n');
    expect(await Volume.list()).toEqual([]);
    expect(readdirSync(join(made.root, 'data'))).not.toContain('x');
    expect(await run('ls /data/x 2>/dev/null || echo gone', options)).toBe('gone\n');
  });

  it('is no part of what is committed', async () => {
    await using container = await Container.create({ image: made.image, command: ['touch', '/data/lost', '/kept'], volumes: ['/data'] });
    await container.start();
    await container.wait();
    const changes: string[] = [];
    for await (const { kind, path } of container.changes()) changes.push(`${kind} ${path}`);
    expect(changes).toEqual(['added /kept']);
  });
});

it('a cancel ends the copying, and leaves the volume empty', async () => {
  const { root, image } = await imageWith('mkdir data');
  mkdirSync(join(root, 'data/large'));
  // so many that the copying is seen however seldom this process runs
  for (let index = 0; index < 10_000; index++) writeFileSync(join(root, 'data/large', `${index}`), Buffer.alloc(16 << 10, index));
  const volume = await Volume.create('data');
  const controller = new AbortController();
  const running = Container.run({ image, command: ['true'], volumes: ['data:/data'], cancelSignal: controller.signal });
  const copied = (): boolean => readdirSync(join(store.root, 'tmp'), { recursive: true }).length > 4;
  await until('files are being copied', copied);
  controller.abort(new Error('enough'));
  expect(await running).toMatchObject({ failed: true });
  expect(readdirSync(volume.path)).toEqual([]);
  // the run has ended at once, and what it began is undone behind it
  await until('the volume is let go of', () =>
    volume.remove().then(
      () => true,
      () => false,
    ),
  );
});
