import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect } from 'vitest';
import { Container, type RunOptions, Volume } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { it } = requires({ containers: true, tools: ['busybox', 'tar'] });
const folder = temporaryFolder();
useNewStore(folder);
const bind = join(folder, 'bind');
afterEach(() => rmSync(bind, { recursive: true, force: true }));

/** Where the image gets its only program. */
const BUSYBOX = '/bin/busybox';

let layout: string;
let busybox: string;
beforeAll(async () => {
  const files = { 'data/file': 'of the image\n', 'data/sub/inner': 'of the volume\n', 'other/file': '' };
  layout = layoutOf({ one: [files] }, folder, { config: { Volumes: { '/data/sub': {} } } });
  busybox = join(await busyboxRootfs(), 'bin/busybox');
});

/** A program in an image that declares the volume /data/sub. */
const options = (script: string, more: RunOptions): RunOptions => ({
  image: `oci:${layout}:one`,
  ...more,
  copyIn: { [BUSYBOX]: { source: busybox }, ...more.copyIn },
  command: [BUSYBOX, 'sh', '-c', `b() { ${BUSYBOX} "$@"; }; ${script}`],
});

async function output(script: string, more: RunOptions): Promise<string> {
  return (await Container.run(options(script, { ...more, reject: true }))).stdout;
}

const SUB = 'b cat /data/sub/inner';

describe('a volume without a name that lies in', () => {
  it('a volume with one: both are seen, and the one goes with its container', async () => {
    const volumes = ['named:/data'];
    const script = `b cat /data/file; ${SUB}; echo x > /data/sub/own; echo x > /data/mine; b ls /data/sub`;
    expect(await output(script, { volumes })).toBe('of the image\nof the volume\ninner\nown\n');
    expect(await output('b ls /data; b ls /data/sub', { volumes })).toBe('file\nmine\nsub\ninner\n');
    const { path } = await Volume.open('named');
    expect(readdirSync(path).sort()).toEqual(['file', 'mine', 'sub']);
    // what the image has there was copied at the first use, as docker does it
    expect(readdirSync(join(path, 'sub'))).toEqual(['inner']);
  });

  it('a folder of the host, which gets a folder to mount it on and nothing else', async () => {
    mkdirSync(bind);
    expect(await output(`${SUB}; echo x > /data/sub/own; echo x > /data/mine`, { volumes: [`${bind}:/data`] })).toBe('of the volume\n');
    expect(readdirSync(bind).sort()).toEqual(['mine', 'sub']);
    expect(readdirSync(join(bind, 'sub'))).toEqual([]);
    // the folder is there now, so that it can be read-only
    expect(await output(`${SUB}; echo x > /data/sub/own; echo x > /data/no || echo ro`, { volumes: [`${bind}:/data:ro`] })).toBe(
      'of the volume\nro\n',
    );
  });

  it('a tmpfs', async () => {
    expect(await output(`${SUB}; b ls /data`, { tmpfs: { '/data': 'size=1m' } })).toBe('of the volume\nsub\n');
  });

  it("a mount, and has another mount of the caller's in it", async () => {
    const volumes = ['deep:/data/sub/deep', 'named:/data'];
    expect(await output(`${SUB}; echo x > /data/sub/deep/kept; b ls /data/sub`, { volumes })).toBe('of the volume\ndeep\ninner\n');
    expect(readFileSync(join((await Volume.open('deep')).path, 'kept'), 'utf8')).toBe('x\n');
  });

  it('a mount of a root that is read-only, and can be written to', async () => {
    const more = { volumes: ['named:/data'], readOnly: true };
    expect(await output(`echo x > /data/sub/own; b ls /data/sub; echo x > /no || echo ro`, more)).toBe('inner\nown\nro\n');
  });
});

describe('such a volume', () => {
  it('gives way to what the caller mounts at its place', async () => {
    expect(await output('b ls /data/sub', { volumes: ['named:/data'], tmpfs: { '/data/sub': '' } })).toBe('');
  });

  it('is no part of the changes, and stays when its program starts again', async () => {
    const { command, ...rest } = options(`echo x >> /data/sub/runs; exec ${BUSYBOX} sleep 1000`, { volumes: ['named:/data'] });
    const container = await Container.create({ ...rest, ...(command ? { command } : {}), detach: true });
    await container.start();
    const runs = async () => (await container.exec([BUSYBOX, 'cat', '/data/sub/runs'])).stdout;
    await until('it has run', async () => (await runs()) === 'x\n');
    await container.restart({ timeout: 0 });
    await until('it has run twice', async () => container.state === 'running' && (await runs()) === 'x\nx\n');
    const changed = [];
    for await (const { path } of container.changes()) changed.push(path);
    expect(changed.filter((path) => path.startsWith('/data/sub/'))).toEqual([]);
    await container.remove({ force: true });
  });

  it('is mounted where the mount has a folder of its name, and not where a link leads', async () => {
    mkdirSync(bind);
    symlinkSync('/other', join(bind, 'sub'));
    await expect(output('true', { volumes: [`${bind}:/data`] })).rejects.toMatchObject({ code: 'EXDEV', path: '/data/sub' });
    rmSync(join(bind, 'sub'));
    symlinkSync('../elsewhere', join(bind, 'sub'));
    await expect(output('true', { volumes: [`${bind}:/data`] })).rejects.toMatchObject({ name: 'SyscallError' });
    expect(existsSync(join(bind, 'elsewhere'))).toBe(false);
  });
});
