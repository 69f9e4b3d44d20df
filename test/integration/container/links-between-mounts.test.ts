import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { Container, Image, type RunOptions } from '../../../lib/index.js';
import { loadBusybox } from '../../fixtures/busybox-image.js';
import { busyboxRootfsCopy } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar'] });
const asRoot = requires({ root: true, tools: ['busybox', 'mount', 'tar', 'umount'] });
const folder = temporaryFolder();
const roots: string[] = [];
let count = 0;

/** Mounts, each by mount(8)'s arguments with the target last, for as long as `use` takes. */
async function withMounts(mounts: readonly (readonly string[])[], use: () => Promise<void>): Promise<void> {
  const [first, ...others] = mounts;
  if (first === undefined) return use();
  execFileSync('mount', first);
  try {
    await withMounts(others, use);
  } finally {
    execFileSync('umount', [first.at(-1) ?? '']);
  }
}

const tmpfsAt = (path: string): string[] => ['-t', 'tmpfs', 'nacelle-test', path];

afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

/** A root of busybox with links, by their paths. */
async function rootWith(links: Readonly<Record<string, string>>): Promise<string> {
  const root = await busyboxRootfsCopy();
  roots.push(root);
  for (const [path, target] of Object.entries(links)) {
    rmSync(join(root, path), { recursive: true, force: true });
    mkdirSync(join(root, path, '..'), { recursive: true });
    symlinkSync(target, join(root, path));
  }
  return root;
}

/** A folder of root's own on the host. */
function hostFolder(files: Readonly<Record<string, string>> = {}): string {
  const path = join(folder, `data${count++}`);
  mkdirSync(path, { mode: 0o755 });
  for (const [name, content] of Object.entries({ config: 'of the host', ...files }))
    writeFileSync(join(path, name), content, { mode: 0o600 });
  return path;
}

/** All that is in a folder, with what could be changed of it. */
function facts(path: string): unknown {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const status = statSync(join(path, name));
      return [name, status.mode, status.uid, status.ino, status.isFile() ? readFileSync(join(path, name), 'utf8') : null];
    });
}

/** Is refused, and nothing is changed in `data`. */
async function expectRefused(data: string, options: RunOptions, error: object): Promise<void> {
  const before = facts(data);
  await expect(Container.run({ command: ['true'], ...options })).rejects.toMatchObject({
    code: 'EXDEV',
    message: expect.stringContaining('a link of the image leads it into another mount'),
    ...error,
  });
  expect(facts(data)).toEqual(before);
}

async function output(options: RunOptions): Promise<string> {
  const result = await Container.run(options);
  expect(result, result.stderr).toMatchObject({ status: 'ok' });
  return result.stdout;
}

const script = (text: string): Pick<RunOptions, 'command'> => ({ command: ['sh', '-c', text] });

describe.each(['rootfs', 'image'] as const)("a link of the image into a caller's mount leads no set-up there (%s)", (form) => {
  const from = (root: string): RunOptions => (form === 'rootfs' ? { rootfs: root } : { image: `dir:${root}` });
  let box: RunOptions = {};
  beforeAll(async () => {
    box = from(await rootWith({ '/box': '/data' }));
  });

  it('for the working folder', async () => {
    const data = hostFolder();
    const options = { ...box, user: 'nobody', volumes: [`${data}:/data`] };
    for (const cwd of ['/box/sub', '/box/sub/deeper', '/bin/../box/./sub'])
      await expectRefused(data, { ...options, cwd }, { step: 'chdir', path: cwd });
    expect(await output({ ...options, cwd: '/box', command: ['pwd'] })).toBe('/data\n');
  });

  it('for files and trees that are copied in', async () => {
    const data = hostFolder();
    const tree = hostFolder();
    for (const [path, content] of [
      ['/box/config', 'replaced'],
      ['/box/new', 'new'],
      ['/box/sub/new', { source: join(tree, 'config') }],
      ['/box/tree', { source: tree }],
    ] as const)
      await expectRefused(data, { ...box, volumes: [`${data}:/data`], copyIn: { [path]: content } }, { path });
  });

  it('for the files of /etc', async () => {
    const data = hostFolder();
    mkdirSync(join(data, 'e'));
    const whole = from(await rootWith({ '/etc': '/data/e' }));
    await expectRefused(data, { ...whole, user: '7:7', volumes: [`${data}:/data`] }, { step: 'attach', path: '/etc/hosts' });
    const one = from(await rootWith({ '/etc/hostname': '../data/name' }));
    await expectRefused(data, { ...one, volumes: [`${data}:/data`] }, { step: 'attach', path: '/etc/hostname' });
  });

  it('for mount points', async () => {
    const data = hostFolder();
    mkdirSync(join(data, 'there'));
    const bind = { type: 'bind', source: folder, target: '/data' } as const;
    for (const path of ['/box/mp', '/box/there', '/box/mp/deeper'])
      await expectRefused(data, { ...box, volumes: [`${data}:/data`], tmpfs: { [path]: '' } }, { step: 'attach', path });
    for (const target of ['/box/file', '/box/config']) {
      const mounts = [
        { ...bind, source: data },
        { ...bind, source: '/etc/hostname', target },
      ];
      await expectRefused(data, { ...box, mounts }, { step: 'attach', path: target });
    }
    const devices = [{ path: '/dev/null', target: '/wall/null' }];
    await expectRefused(data, { ...from(await rootWith({ '/wall': '/proc' })), devices }, { step: 'attach', path: '/wall/null' });
  });

  it.each(['/data/accounts', '/proc/version', '/sys/kernel/notes', '/dev/null'])('for accounts, in %s', async (target) => {
    const data = hostFolder({ accounts: 'svc:x:1234:1234:x:/home-SECRET:/bin/sh\n' });
    for (const file of ['/etc/passwd', '/etc/group']) {
      const options = { ...from(await rootWith({ [file]: target })), volumes: [`${data}:/data:ro`] };
      for (const user of ['svc', '1234', 'svc:svc']) {
        if (file === '/etc/group' && user === 'svc') continue;
        const words = `${file}: a link of the image leads it into another mount`;
        await expectRefused(data, { ...options, user }, { step: 'user', message: expect.stringContaining(words) });
      }
      // these need no file, as when it could not be read
      expect(await output({ ...options, ...script('echo $HOME'), user: '1234:1234' })).toBe('/\n');
    }
  });

  asRoot.it('where another mount lies in the volume', async () => {
    const data = hostFolder();
    mkdirSync(join(data, 'inner'));
    writeFileSync(join(data, 'accounts'), '');
    const accounts = hostFolder({ accounts: 'svc:x:1234:1234::/home-SECRET:/bin/sh\n' });
    const root = await rootWith({ '/box': '/data/inner', '/etc/passwd': '/data/accounts' });
    const options = { ...from(root), volumes: [`${data}:/data`] };
    await withMounts([tmpfsAt(join(data, 'inner')), ['--bind', join(accounts, 'accounts'), join(data, 'accounts')]], async () => {
      writeFileSync(join(data, 'inner/config'), 'of the host');
      await expectRefused(data, { ...options, user: '7:7', cwd: '/box/sub' }, { step: 'chdir' });
      await expectRefused(data, { ...options, user: '7:7', copyIn: { '/box/config': 'replaced' } }, { path: '/box/config' });
      await expectRefused(data, { ...options, user: 'svc' }, { step: 'user' });
    });
  });

  it("where the volume's own mount point is a link to what is set up", async () => {
    const data = hostFolder();
    const etc = { ...from(await rootWith({ '/data': '/etc' })), volumes: [`${data}:/data`] };
    await expectRefused(data, etc, { step: 'attach', path: '/etc/hosts' });
    const root = await rootWith({ '/data': '/work/tree' });
    mkdirSync(join(root, 'work/tree'), { recursive: true });
    const tree = join(folder, `source${count++}`);
    mkdirSync(join(tree, 'tree'), { recursive: true });
    writeFileSync(join(tree, 'tree/config'), 'replaced');
    const options = { ...from(root), volumes: [`${data}:/data`] };
    await expectRefused(data, { ...options, cwd: '/work/tree/sub' }, { step: 'chdir' });
    await expectRefused(data, { ...options, copyIn: { '/work': { source: tree } } }, { path: '/work' });
  });

  it('nor from a volume to the root', async () => {
    const data = hostFolder();
    symlinkSync('/home', join(data, 'out'));
    await expect(
      Container.run({ ...box, command: ['true'], volumes: [`${data}:/data`], copyIn: { '/data/out/new': 'new' } }),
    ).rejects.toMatchObject({ code: 'EXDEV', path: '/data/out/new' });
  });
});

describe('what a path leads to without such a link is set up', () => {
  it("in a caller's volume by its own path, with links of its own", async () => {
    const data = hostFolder();
    mkdirSync(join(data, 'real'));
    symlinkSync('real', join(data, 'near'));
    symlinkSync('/data/real', join(data, 'far'));
    const tree = hostFolder();
    mkdirSync(join(tree, 'real'));
    writeFileSync(join(tree, 'real/merged'), 'merged');
    const text = await output({
      rootfs: await rootWith({}),
      ...script('pwd; cat a b merged ../config; ls /data/mp /data/near/mp2'),
      volumes: [`${data}:/data`],
      tmpfs: { '/data/mp': '', '/data/near/mp2': '' },
      cwd: '/data/far',
      copyIn: { '/data/near/a': 'a', '/data/far/b': { content: 'b' }, '/data': { source: tree }, '/data/mp/in': 'in' },
    });
    expect(text).toBe('/data/real\nabmergedof the host/data/mp:\nin\n\n/data/near/mp2:\n');
  });

  it('in a volume that lies in a tree that is copied, and in one whose mount point is a link', async () => {
    const [data, linked, tree] = [hostFolder(), hostFolder(), hostFolder()];
    mkdirSync(join(tree, 'data'));
    writeFileSync(join(tree, 'data/merged'), 'merged');
    const rootfs = await rootWith({ '/link': '/srv/real' });
    mkdirSync(join(rootfs, 'srv/real'), { recursive: true });
    const text = await output({
      rootfs,
      ...script('cat /work/data/merged /srv/real/in; pwd'),
      volumes: [`${data}:/work/data`, `${linked}:/link`],
      copyIn: { '/work': { source: tree }, '/link/in': 'in' },
      cwd: '/link/sub/deeper',
    });
    expect(text).toBe('mergedin/srv/real/sub/deeper\n');
  });

  it("by links into a tmpfs, which is the container's own", async () => {
    const root = await rootWith({ '/etc/resolv.conf': '../run/resolve/stub.conf', '/var/run': '/run' });
    const text = await output({
      image: `dir:${root}`,
      ...script('cat /etc/resolv.conf; pwd; cat /run/in'),
      dns: ['192.0.2.1'],
      tmpfs: { '/run': '' },
      cwd: '/var/run/sub',
      copyIn: { '/var/run/in': 'in' },
    });
    expect(text).toBe('nameserver 192.0.2.1\n/run/sub\nin');
  });

  describe('of an image', () => {
    useNewStore(folder);

    it("by links into a volume that it declares, which is the container's own", async () => {
      const making = { ...script('mkdir -p /vol/app && ln -s /vol/app /app'), image: await loadBusybox() };
      await using container = await Container.create(making);
      await container.start();
      expect(await container.wait()).toMatchObject({ status: 'ok' });
      const image = await Image.commit(container, { config: { volumes: ['/vol'], workingDir: '/app/work' } });
      const options = { image, user: 'nobody', copyIn: { '/app/in': 'in' }, ...script('pwd; cat ../in; touch file && echo') };
      for (const readOnly of [false, true]) expect(await output({ ...options, readOnly })).toBe('/vol/app/work\nin\n');
    });
  });

  it('in a whole /etc of the caller, and by links of the image to its own /etc', async () => {
    const etc = hostFolder({ passwd: 'svc:x:1234:1234::/home/svc:/bin/sh\n' });
    const own = { user: 'svc', ...script('id -u; echo $HOME; grep -c localhost /etc/hosts') };
    expect(await output({ rootfs: await rootWith({}), volumes: [`${etc}:/etc`], ...own })).toBe('1234\n/home/svc\n2\n');
    expect(existsSync(join(etc, 'hosts'))).toBe(true);
    const root = await rootWith({ '/etc': 'usr/etc' });
    mkdirSync(join(root, 'usr/etc'));
    writeFileSync(join(root, 'usr/etc/accounts'), 'svc:x:1234:1234::/home/svc:/bin/sh\n');
    symlinkSync('/etc/accounts', join(root, 'usr/etc/passwd'));
    for (const readOnly of [false, true])
      expect(await output({ image: `dir:${root}`, readOnly, ...own, cwd: '/etc' })).toBe('1234\n/home/svc\n2\n');
  });

  asRoot.it("in mounts inside a rootfs and inside a caller's bind", async () => {
    const rootfs = await rootWith({
      '/in': '/srv/inner',
      '/etc/resolv.conf': '../srv/inner/resolv.conf',
      '/etc/group': '/srv/inner/group',
    });
    const data = hostFolder();
    mkdirSync(join(rootfs, 'srv/inner'), { recursive: true });
    mkdirSync(join(data, 'inner'));
    const accounts = join(folder, 'accounts');
    writeFileSync(accounts, 'svc:x:1234:1234::/home/svc:/bin/sh\n');
    // as docker mounts files in its containers
    const files = ['passwd', 'hosts', 'hostname'].map((name) => ['--bind', accounts, join(rootfs, 'etc', name)]);
    await withMounts([tmpfsAt(join(rootfs, 'srv/inner')), tmpfsAt(join(data, 'inner')), ...files], async () => {
      writeFileSync(join(rootfs, 'srv/inner/group'), 'team:x:4321:svc\n');
      for (const resolved of [false, true]) {
        if (resolved) writeFileSync(join(rootfs, 'srv/inner/resolv.conf'), '');
        const text = await output({
          rootfs,
          ...script('pwd; echo $HOME; id -G; cat /etc/resolv.conf /etc/hostname /srv/inner/a /data/inner/b /data/inner/deep/c'),
          user: 'svc',
          hostname: 'inside',
          dns: ['192.0.2.1'],
          volumes: [`${data}:/data`],
          tmpfs: { '/srv/inner/mp': '', '/data/inner/mp': '' },
          cwd: '/in/sub',
          copyIn: { '/in/a': 'a\n', '/data/inner/b': 'b\n', '/data/inner/deep/c': 'c\n' },
        });
        expect(text).toBe('/srv/inner/sub\n/home/svc\n1234 4321\nnameserver 192.0.2.1\ninside\na\nb\nc\n');
      }
    });
  });
});
