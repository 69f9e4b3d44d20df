import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { Container, type RunOptions, type RunResult, Volume } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { busyboxRootfsCopy } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, output, sh } from '../../fixtures/sandbox.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { differences, inventory } from '../../fixtures/tree.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { it } = requires({ containers: true, tools: ['busybox', 'tar', 'setfattr', 'getfattr', 'setcap'] });
/** What is of other ids than an ordinary user's own is closed to that user where the files are looked at by hand. */
const asRoot = requires({ root: true, tools: ['busybox', 'tar', 'setfattr', 'getfattr', 'setcap'] });
const folder = temporaryFolder();
const store = useNewStore(folder);

const pathOf = async (name: string): Promise<string> => (await Volume.open(name)).path;

/** A container that has ended, and was not removed. */
async function ended(script: string, options: RunOptions): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), command: ['sh', '-c', script], detach: true, ...options });
  await container.start();
  await container.wait();
  return container;
}

describe('several volumes of a container', () => {
  it('may lie in one another, and beside folders of the host', async () => {
    const bind = join(folder, 'bind');
    mkdirSync(bind);
    const volumes = ['inner:/m/in', 'outer:/m', `${bind}:/m/bind`];
    await output('for place in /m /m/in /m/bind; do echo $place > $place/name; done', { volumes });
    expect(readFileSync(join(await pathOf('outer'), 'name'), 'utf8')).toBe('/m\n');
    expect(readFileSync(join(await pathOf('inner'), 'name'), 'utf8')).toBe('/m/in\n');
    expect(readFileSync(join(bind, 'name'), 'utf8')).toBe('/m/bind\n');
    for (const place of ['in', 'bind']) expect(readdirSync(join(await pathOf('outer'), place))).toEqual([]);
  });

  it('and one in a tmpfs, whichever option it comes from', async () => {
    expect(await output('ls /m /m/in; echo x > /m/in/file', { volumes: ['data:/m/in', '/tmp:/m/in/bind:ro'], tmpfs: { '/m': '' } })).toBe(
      '/m:\nin\n\n/m/in:\nbind',
    );
    expect(readdirSync(await pathOf('data')).sort()).toEqual(['bind', 'file']);
  });

  it.each<[string, RunOptions]>([
    ['two volumes', { volumes: ['a:/m', 'b:/m'] }],
    ['one twice', { volumes: ['a:/m', 'a:/m/'] }],
    ['a volume and a tmpfs', { volumes: ['a:/m'], tmpfs: { '/m': '' } }],
    ['a volume and a bind', { volumes: ['a:/m', '/tmp:/m'] }],
    ['a volume and a mount', { volumes: ['a:/m'], mounts: [{ type: 'tmpfs', target: '/m' }] }],
  ])('%s at one place are refused, and none is made', async (_, options) => {
    await expect(sh('true', options)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining('/m') });
    expect(await Volume.list()).toEqual([]);
  });
});

describe('the flags of a volume', () => {
  it('noexec holds for the program and for what the program starts; without it a volume has programs', async () => {
    await output('cp /bin/busybox /m/echo', { volumes: ['tools:/m'] });
    const run = async (flags: string, command: string[]): Promise<RunResult> =>
      Container.run({ ...(await busybox()), command, volumes: [`tools:/m${flags}`] });
    expect((await run('', ['/m/echo', 'runs'])).stdout).toBe('runs\n');
    await expect(run(':noexec', ['/m/echo', 'runs'])).rejects.toMatchObject({ code: 'EACCES', message: expect.stringContaining('noexec') });
    expect(await run(':noexec', ['sh', '-c', '/m/echo runs'])).toMatchObject({ exitCode: 126, stdout: '' });
  });

  it('ro holds for one container, not for another that uses the volume meanwhile', async () => {
    await using reader = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], volumes: ['data:/m:ro'] });
    await reader.start();
    await output('echo written > /m/file', { volumes: ['data:/m'] });
    expect((await reader.exec(['cat', '/m/file'])).stdout).toBe('written\n');
    expect((await reader.exec(['touch', '/m/other'])).stderr).toContain('Read-only file system');
  });
});

describe('the first use', () => {
  it('comes later when the image had nothing there, and never again after something was written', async () => {
    expect(await output('ls -A /nothing', { volumes: ['data:/nothing'] })).toBe('');
    expect(await output('ls /m; echo mine > /m/mine; rm /m/group', { volumes: ['data:/etc', 'data:/m'] })).toContain('passwd');
    expect((await output('ls /etc', { volumes: ['data:/etc'] })).split('\n')).not.toContain('group');
    expect(await output('ls -A /bin', { volumes: ['data:/bin'] }).catch(String)).not.toContain('busybox');
  });

  asRoot.it('is none of a volume that was emptied and whose owner was changed, as long as a container uses it', async () => {
    await output('chown 2000:3000 /m; chmod 700 /m; touch /m/x', { volumes: ['data:/m'] });
    await using user = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], volumes: ['data:/m'] });
    await user.start();
    await user.exec(['rm', '/m/x']);
    expect(await output('ls -A /etc; stat -c "%u:%g %a" /etc', { volumes: ['data:/etc'] })).toMatch(/2000:3000 700$/);
    expect(readdirSync(await pathOf('data'))).not.toContain('passwd');
  });

  asRoot.it('is no matter of making a volume again: that changes nothing of it', async () => {
    await Volume.create('data');
    await output('chown 2000:3000 /m; touch /m/x', { volumes: ['data:/m'], user: 'root' });
    await expect(Volume.create('data')).rejects.toMatchObject({ code: 'ERR_NAME_TAKEN' });
    expect(statSync(await pathOf('data'))).toMatchObject({ uid: 2000, gid: 3000 });
  });
});

describe('what goes and what stays', () => {
  asRoot.it('a volume without a name goes with its container, however that goes; one with a name stays', async () => {
    const made = 'echo x > /m/without; echo y > /data/with';
    const volumes = ['/m', 'data:/data'];
    const kept = () => readdirSync(store.root, { recursive: true, encoding: 'utf8' }).filter((path) => /with(out)?$/.test(path));
    await output(made, { volumes, upper: 'disk' });
    const container = await ended(made, { volumes, upper: 'disk' });
    expect(kept()).toHaveLength(2);
    await container.remove();
    expect(kept()).toEqual(['volumes/data/data/with']);
    const gone = await Container.create({
      ...(await busybox()),
      command: ['sh', '-c', made],
      detach: true,
      autoRemove: true,
      volumes,
      upper: 'disk',
    });
    await gone.start();
    await gone.wait();
    await until('it is removed', () => {
      try {
        return kept().length === 1;
      } catch {
        // a folder went while it was read
        return false;
      }
    });
    expect((await Volume.list()).map(({ name }) => name)).toEqual(['data']);
  });

  it('prune takes what no container uses, of those that have ended too, one after the other', async () => {
    for (const name of ['one', 'two', 'three', 'four']) await Volume.create(name, { labels: { kind: name } });
    const first = await ended('true', { volumes: ['one:/1'] });
    const second = await ended('true', { volumes: ['two:/2', 'three:/3'] });
    const pruned = async () => [...(await Volume.prune({ all: true })).volumes].sort();
    expect(await Volume.prune()).toEqual({ volumes: [] });
    expect(await pruned()).toEqual(['four']);
    await expect((await Volume.open('one')).remove()).rejects.toMatchObject({ code: 'ERR_IN_USE' });
    await second.remove();
    expect(await pruned()).toEqual(['three', 'two']);
    await first.remove();
    expect(await pruned()).toEqual(['one']);
    expect(await pruned()).toEqual([]);
  });
});

describe('a tar', () => {
  asRoot.it('brings what containers have written into another volume, where containers find it', async () => {
    const script = `cd /m; mkdir -p deep/er; echo text > deep/file; ln deep/file hard; ln -s /no/such link; mkfifo fifo
      chown 5:6 deep/file; chmod 4711 deep/file; chmod 1777 deep; echo ü > 'name with ü'; : > .wh.name; touch -d @1000000000 deep/er`;
    await output(script, { volumes: ['from:/m'] });
    const to = await Volume.create('to');
    await to.import(await (await Volume.open('from')).export());
    expect(differences(inventory(await pathOf('from')), inventory(to.path))).toEqual([]);
    expect(await output('cat /m/hard; stat -c "%u:%g %a %h" /m/deep/file; readlink /m/link', { volumes: ['to:/m:ro'] })).toBe(
      'text\n5:6 4711 2\n/no/such',
    );
  });

  it('can be had of a volume that a running container uses, and filled into none that one uses', async () => {
    await using user = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], volumes: ['data:/m'] });
    await user.start();
    await user.exec(['sh', '-c', 'echo x > /m/file']);
    const input: Buffer[] = [];
    for await (const piece of await (await Volume.open('data')).export()) input.push(piece);
    expect(execFileSync('tar', ['-tf', '-'], { input: Buffer.concat(input), encoding: 'utf8' })).toBe('./\nfile\n');
    await user.exec(['rm', '/m/file']);
    await expect((await Volume.open('data')).import(await (await Volume.open('data')).export())).rejects.toMatchObject({
      code: 'ERR_IN_USE',
    });
  });
});

it('a rootfs keeps what a volume hides', async () => {
  const rootfs = await busyboxRootfsCopy();
  mkdirSync(join(rootfs, 'data'));
  writeFileSync(join(rootfs, 'data', 'file'), 'of the rootfs');
  const run = (volumes: string[]) => Container.run({ rootfs, command: ['sh', '-c', 'cat /data/file; echo volume > /data/file'], volumes });
  expect((await run(['data:/data'])).stdout).toBe('of the rootfs');
  expect((await run(['data:/data'])).stdout).toBe('volume\n');
  expect(readFileSync(join(rootfs, 'data', 'file'), 'utf8')).toBe('of the rootfs');
});
