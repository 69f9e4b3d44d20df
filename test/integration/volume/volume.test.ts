import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect } from 'vitest';
import { features, Volume } from '../../../lib/index.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { tarArchive } from '../../fixtures/tar.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { differences, inventory } from '../../fixtures/tree.js';

useLeakCheck();
const { it } = requires({ containers: true, tools: ['tar', 'setfattr', 'getfattr', 'setcap'] });
const asRoot = requires({ root: true, tools: ['tar', 'setfattr', 'getfattr', 'setcap'] });
const folder = temporaryFolder();
const store = useNewStore(folder);

async function bytesOf(stream: Readable): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Every kind of file that a tar can carry. */
function fillByHand(path: string): void {
  const sh = [
    'mkdir -p deep/er .wh.folder; echo text > file; chmod 4711 file; chown 7:8 file; ln file deep/same; ln -s ../../../../etc/passwd out',
    'mkfifo fifo; mknod null c 1 3; mknod nothing c 0 0; setfattr -n user.note -v hello deep; : > .wh.file; touch -d @1000 deep/er',
    'truncate -s 1M sparse; echo end >> sparse; cp /bin/true cap; setcap cap_net_raw+ep cap; chown 5:6 .; chmod 2750 .',
  ];
  execFileSync('sh', ['-ec', sh.join('\n')], { cwd: path });
}

describe('volumes', () => {
  it('are made, found, listed and removed', async () => {
    expect(await Volume.list()).toEqual([]);
    const made = await Volume.create('data', { labels: { project: 'shop' } });
    expect(made).toMatchObject({ name: 'data', path: join(store.root, 'volumes/data/data'), labels: { project: 'shop' } });
    expect(statSync(made.path).mode & 0o7777).toBe(0o755);
    expect(statSync(store.root).mode & 0o7777).toBe(0o700);
    await Volume.create('a');
    const { name, path, labels, createdAt } = await Volume.open('data');
    expect(await Volume.list()).toEqual([expect.objectContaining({ name: 'a', labels: {} }), { name, path, labels, createdAt }]);
    writeFileSync(join(made.path, 'file'), 'x');
    await made.remove();
    await made.remove();
    expect((await Volume.list()).map((info) => info.name)).toEqual(['a']);
    expect(readdirSync(join(store.root, 'volumes'))).toEqual(['a']);
  });

  it('have names that are taken once, also by many at a time', async () => {
    const tries = await Promise.allSettled(Array.from({ length: 10 }, () => Volume.create('data')));
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const each of tries) if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'ERR_NAME_TAKEN' });
  });

  it('that are not there are a typed error', async () => {
    await expect(Volume.open('none')).rejects.toMatchObject({ name: 'NacelleError', code: 'ERR_NO_VOLUME' });
    const gone = await Volume.create('gone');
    await (await Volume.open('gone')).remove();
    for (const act of [() => gone.remove(), () => gone.export(), () => gone.import(Readable.from([]))]) {
      await expect(act()).rejects.toMatchObject({ code: 'ERR_NO_VOLUME' });
    }
  });

  it('of a size are refused, as features() says, and not made', async () => {
    const { folderQuota } = await features();
    expect(folderQuota).toMatchObject({ available: false, reason: expect.stringContaining('project quota'), fix: expect.any(String) });
    const refused = { name: 'UnsupportedError', reason: folderQuota.reason, fix: folderQuota.fix };
    await expect(Volume.create('data', { size: '1m' })).rejects.toMatchObject(refused);
    expect(await Volume.list()).toEqual([]);
  });

  it('stay when their handle is disposed of', async () => {
    {
      await using volume = await Volume.create('data');
      writeFileSync(join(volume.path, 'file'), 'kept');
    }
    expect(readFileSync(join((await Volume.open('data')).path, 'file'), 'utf8')).toBe('kept');
  });

  it('that are damaged are told, and not taken for others', async () => {
    const volume = await Volume.create('data');
    writeFileSync(join(volume.path, '../volume.json'), '{"labels":');
    await expect(Volume.open('data')).rejects.toMatchObject({ code: 'ERR_RECORD', message: expect.stringContaining('volume.json') });
    await expect(Volume.list()).rejects.toMatchObject({ code: 'ERR_RECORD' });
    await volume.remove();
  });

  it('with a name are pruned only when all are to be', async () => {
    await Volume.create('a');
    await Volume.create('b');
    expect(await Volume.prune()).toEqual({ volumes: [] });
    const stream = await (await Volume.open('a')).export();
    expect(await Volume.prune({ all: true })).toEqual({ volumes: ['b'] });
    await bytesOf(stream);
    expect(await Volume.prune({ all: true })).toEqual({ volumes: ['a'] });
  });
});

describe('a tar of a volume', () => {
  asRoot.it('brings all of it to another one, and is what GNU tar unpacks', async () => {
    const from = await Volume.create('from');
    fillByHand(from.path);
    const archive = await bytesOf(await from.export());
    const to = await Volume.create('to');
    await to.import(Readable.from([archive]));
    expect(differences(inventory(from.path), inventory(to.path))).toEqual([]);
    expect(statSync(to.path)).toMatchObject({ uid: 5, gid: 6, mode: 0o42750 });

    const byTar = join(folder, 'by-tar');
    mkdirSync(byTar);
    const flags = ['--warning=none', '--xattrs', '--xattrs-include=*', '--numeric-owner', '-xpf', '-'];
    execFileSync('tar', ['-C', byTar, ...flags], { input: archive });
    expect(differences(inventory(from.path), inventory(byTar))).toEqual([]);
  });

  it('is refused where there are files, and leaves them alone', async () => {
    const volume = await Volume.create('data');
    writeFileSync(join(volume.path, 'file'), 'mine');
    const source = Readable.from([tarArchive({ name: 'file', data: 'theirs' })]);
    await expect(volume.import(source)).rejects.toMatchObject({ code: 'ERR_NOT_EMPTY' });
    expect(source.destroyed).toBe(true);
    expect(readFileSync(join(volume.path, 'file'), 'utf8')).toBe('mine');
  });

  it.each([
    ['that is none', Buffer.alloc(1024, 'x')],
    ['that is cut off', tarArchive({ name: 'file', data: 'x'.repeat(10_000) }).subarray(0, 2000)],
    ['that climbs', tarArchive({ name: 'good', data: '1' }, { name: '../out', data: '2' })],
  ])('%s leaves the volume empty', async (_, archive) => {
    const volume = await Volume.create('data');
    await expect(volume.import(Readable.from([archive]))).rejects.toMatchObject({ name: 'NacelleError', code: 'ERR_ARCHIVE' });
    expect(readdirSync(volume.path)).toEqual([]);
    expect(readdirSync(join(volume.path, '..')).sort()).toEqual(['data', 'lock', 'volume.json']);
  });

  it('whose source fails leaves the volume empty, and tells what failed', async () => {
    const volume = await Volume.create('data');
    const source = Readable.from(
      (async function* () {
        yield tarArchive({ name: 'file', data: 'x' }).subarray(0, 600);
        throw new Error('the line is cut');
      })(),
    );
    await expect(volume.import(source)).rejects.toThrow('the line is cut');
    expect(readdirSync(volume.path)).toEqual([]);
  });

  it('gets out of the volume by no link', async () => {
    const outside = join(folder, 'outside');
    mkdirSync(outside);
    const volume = await Volume.create('data');
    const entries = tarArchive(
      { name: 'link', type: '2', link: outside },
      { name: 'link/file', data: 'x' },
      { name: 'up', type: '2', link: '../../../..' },
      { name: 'up/etc/file', data: 'x' },
    );
    await volume.import(Readable.from([entries])).catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_ARCHIVE' }));
    expect(readdirSync(outside)).toEqual([]);
  });

  it('is read through no link', async () => {
    const volume = await Volume.create('data');
    symlinkSync('/etc', join(volume.path, 'etc'));
    const names = execFileSync('tar', ['-t'], { input: await bytesOf(await volume.export()), encoding: 'utf8' });
    expect(names).toBe('./\netc\n');
  });

  it('that nobody reads to its end lets go of the volume', async () => {
    const volume = await Volume.create('data');
    writeFileSync(join(volume.path, 'large'), Buffer.alloc(1 << 20));
    const stream = await volume.export();
    await expect(volume.remove()).rejects.toMatchObject({ code: 'ERR_IN_USE' });
    stream.destroy();
    await new Promise((resolve) => stream.once('close', resolve));
    await volume.remove();
  });
});
