import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { beforeAll, expect } from 'vitest';
import { storeRoot } from '../../../lib/host/store-path.js';
import { Container, Volume } from '../../../lib/index.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { live, outputOf } from '../../fixtures/live.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar'] });
const folder = temporaryFolder();
useNewStore(folder);

const source = join(folder, 'source');
beforeAll(() => {
  mkdirSync(join(source, 'sub'), { recursive: true });
  writeFileSync(join(source, 'sub', 'file'), 'of the host');
  writeFileSync(join(source, 'dot.'), 'dot');
});

const tarOf = (...names: string[]): Readable => Readable.from([execFileSync('tar', ['-cC', source, ...names])]);

/** The names in a tar, as GNU tar sees them. */
async function namesFrom(container: Container, path: string): Promise<string[]> {
  const input = await buffer(await container.copyFrom(path));
  return execFileSync('tar', ['-tf', '-', '--quoting-style=literal'], { input, encoding: 'utf8' }).trimEnd().split('\n');
}

async function textFrom(container: Container, path: string): Promise<string> {
  return execFileSync('tar', ['-xOf', '-'], { input: await buffer(await container.copyFrom(path)), encoding: 'utf8' });
}

/** What a container's shell says of paths: what they are, and what is in them. */
const at = (container: Container, ...paths: string[]): Promise<string> =>
  outputOf(container, `for path in ${paths.join(' ')}; do [ -L $path ] && readlink $path || cat $path; echo; done`);

describe('the path of what is read', () => {
  it.each([
    ['/data/dir.', ['dir./', 'dir./f.']],
    ['/data/dir./', ['f.']],
    ['/data/dir./.', ['f.']],
    ['/data/dir./f.', ['f.']],
    ['//data//./dir.//f.', ['f.']],
    ['/data/dir./../dir./f.', ['f.']],
    // a link is itself, unless a '/' asks for what is in its folder
    ['/data/up', ['up']],
    ['/data/up/', ['*', 'dir./', 'dir./f.', 'host', 'none', 'up']],
    ['/data/up/dir./f.', ['f.']],
    ['/data/*', ['*']],
    ['/data/host', ['host']],
  ])('%s gives %j', async (path, names) => {
    await using container = await live();
    await outputOf(
      container,
      `mkdir -p /data/dir.; cd /data; echo > dir./f.; ln -s ../data up; echo > '*'; ln -s ${source} host; ln -s /no none`,
    );
    expect((await namesFrom(container, path)).sort()).toEqual(names);
  });

  it.each([
    ['/data/f*', 'ENOENT'],
    ['/data/file/.', 'ENOTDIR'],
    ['/data/file/x', 'ENOTDIR'],
    ['/data/none/', 'ENOENT'],
    // the folder is there on the host, and not in the container
    ['/data/host/', 'ENOENT'],
    ['/data/host/sub', 'ENOENT'],
  ])('%s is refused: %s', async (path, code) => {
    await using container = await live();
    await outputOf(container, `mkdir /data; cd /data; echo > file; ln -s ${source} host; ln -s /no none`);
    await expect(namesFrom(container, path)).rejects.toMatchObject({ name: 'SyscallError', code });
  });

  it.each(['line\nfeed', 'ünï 😀', ' ', '-rf', 'n'.repeat(255)])('any name travels: %j', async (name) => {
    await using container = await live();
    await container.copyTo(`/tmp/${name}`, 'text');
    const tar = await container.copyFrom(`/tmp/${name}`);
    await container.copyTo('/var', tar);
    expect((await container.exec(['cat', `/var/${name}`])).stdout).toBe('text');
  });
});

describe('the path of what is written', () => {
  it.each([
    ['/new/folder', { source }],
    ['/new/folder/', { source: `${source}/` }],
    ['/old/.', { source: `${source}/.` }],
    ['/link/to', { source }],
  ])('%s becomes, or takes, what is in a folder: %o', async (path, from) => {
    await using container = await live();
    await outputOf(container, 'mkdir -p /old /elsewhere; echo kept > /old/kept; ln -s elsewhere /link');
    await container.copyTo(path, from);
    expect(await at(container, `${path}/sub/file`, `${path}/dot.`)).toBe('of the host\ndot');
    expect(await at(container, '/link', '/old/kept')).toBe('elsewhere\n\nkept');
  });

  it.each([
    ['text for a folder that is there', '/old', 'text', 'EISDIR'],
    ['a file for a folder that is there', '/old', { source: '/etc/passwd' }, 'EISDIR'],
    ['a file where a folder is meant', '/new/', { source: '/etc/passwd' }, 'ENOTDIR'],
    ['a folder for a file that is there', '/old/kept', { source: '/etc' }, 'ENOTDIR'],
    ['text below a file', '/old/kept/x', 'text', 'ENOTDIR'],
    ['text where a folder is meant', '/new/', 'text', 'ERR_INVALID_OPTION'],
    ['text where a folder is meant, by a link to nowhere', '/old/nowhere/', 'text', 'ERR_INVALID_OPTION'],
    ['a name that is too long', `/old/${'n'.repeat(256)}`, 'text', 'ENAMETOOLONG'],
  ])('%s is refused, and changes nothing', async (_, path, from, code) => {
    await using container = await live();
    await outputOf(container, 'mkdir /old; echo kept > /old/kept; ln -s /no/such /old/nowhere');
    await expect(container.copyTo(path, from)).rejects.toMatchObject({ code });
    expect(await outputOf(container, 'echo /old/* /new*; cat /old/kept')).toBe('/old/kept /old/nowhere /new*\nkept');
  });

  it('a link that is there is replaced, not followed, wherever it leads', async () => {
    await using container = await live();
    await outputOf(container, 'cd /tmp; echo before > target; ln -s target link; ln -s /no/such nowhere; mkfifo fifo');
    for (const name of ['link', 'nowhere', 'fifo']) await container.copyTo(`/tmp/${name}`, name);
    expect(await at(container, '/tmp/target', '/tmp/link', '/tmp/nowhere', '/tmp/fifo')).toBe('before\n\nlink\nnowhere\nfifo');
  });

  it('a tar goes into a folder, and nowhere else', async () => {
    await using container = await live();
    await outputOf(container, 'cd /tmp; echo > file; mkdir into; ln -s into link; ln -s /no/such nowhere');
    await container.copyTo('/tmp/link', tarOf('sub'));
    expect(await at(container, '/tmp/into/sub/file')).toBe('of the host');
    await expect(container.copyTo('/tmp/file', tarOf('sub'))).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(container.copyTo('/tmp/nowhere/', tarOf('sub'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await outputOf(container, 'ls /tmp; ls /no 2>/dev/null || echo none')).toBe('file\ninto\nlink\nnowhere\nnone');
  });

  it('a file of a tar takes the place of a folder, and a folder that of a file', async () => {
    await using container = await live();
    await outputOf(container, 'mkdir -p /tmp/dot./full; echo > /tmp/sub; echo kept > /tmp/kept');
    await container.copyTo('/tmp', tarOf('dot.', 'sub'));
    expect(await at(container, '/tmp/dot.', '/tmp/sub/file', '/tmp/kept')).toBe('dot\nof the host\nkept');
  });

  it("a path of the host's store is the container's own", async () => {
    await using container = await live();
    const path = join(storeRoot(), 'file');
    await container.copyTo(path, 'in the container');
    expect(await at(container, path)).toBe('in the container');
    expect(existsSync(path)).toBe(false);
  });
});

describe('files and mounts', () => {
  it.each(['created', 'running', 'ended'] as const)(
    'of a container that is %s: volumes, one in another, a tmpfs and a bind',
    async (state) => {
      const bind = join(folder, `bind-${state}`);
      mkdirSync(bind);
      await using container = await Container.create({
        ...(await busybox()),
        command: state === 'ended' ? ['true'] : ['sleep', '1000'],
        volumes: ['outer:/m', 'inner:/m/in', `${bind}:/m/bind`],
        tmpfs: { '/t': 'size=64k' },
      });
      if (state !== 'created') await container.start();
      if (state === 'ended') await container.wait();
      for (const place of ['/m', '/m/in', '/m/bind', '/t']) {
        await container.copyTo(place, tarOf('dot.'));
        await container.copyTo(`${place}/text`, place);
        expect(await textFrom(container, `${place}/text`)).toBe(place);
      }
      const [outer, inner] = [(await Volume.open('outer')).path, (await Volume.open('inner')).path];
      expect(readdirSync(outer).sort()).toEqual(['bind', 'dot.', 'in', 'text']);
      expect(readdirSync(join(outer, 'in'))).toEqual([]);
      expect(readFileSync(join(inner, 'text'), 'utf8')).toBe('/m/in');
      expect(readFileSync(join(bind, 'text'), 'utf8')).toBe('/m/bind');
    },
  );

  it('what was copied before the start is there for the program', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['cat', '/t/text'], tmpfs: { '/t': '' } });
    await container.copyTo('/t/text', 'copied first');
    await container.start();
    expect((await container.wait()).stdout).toBe('copied first');
  });

  it('what is mounted read-only stays as it is', async () => {
    await using container = await live({ volumes: [`${source}:/bind:ro`, 'kept:/volume:ro'] });
    for (const path of ['/bind', '/volume']) {
      await expect(container.copyTo(`${path}/text`, 'x')).rejects.toMatchObject({ code: 'EROFS' });
      await expect(container.copyTo(path, tarOf('sub'))).rejects.toMatchObject({ code: 'EROFS' });
    }
    expect(readdirSync(source).sort()).toEqual(['dot.', 'sub']);
  });
});

describe('owners', () => {
  it('a tar keeps its own, whoever the user of the container is', async () => {
    const archive = execFileSync('tar', ['-c', '--owner=1042', '--group=1043', '--mode=4755', '-C', source, 'dot.']);
    await using container = await live({ user: 'user' });
    await container.copyTo('/tmp', Readable.from([archive]));
    expect(await outputOf(container, 'stat -c "%u:%g %a" /tmp/dot.')).toBe('1042:1043 4755');
  });

  it('go from container to container with the files', async () => {
    await using from = await live();
    await using to = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], user: 'user' });
    await outputOf(
      from,
      'mkdir -p /d/e; echo x > /d/e/f; chown 5:6 /d/e/f; chmod 2711 /d/e; ln -s e/f /d/s; ln /d/e/f /d/h; chown 7:8 /d/e',
    );
    await to.copyTo('/var', await from.copyFrom('/d'));
    await to.start();
    expect(await outputOf(to, 'cd /var/d; stat -c "%n %u:%g %a %h" e e/f h; readlink s', { user: 0 })).toBe(
      'e 7:8 2711 2\ne/f 5:6 644 2\nh 5:6 644 2\ne/f',
    );
  });
});
