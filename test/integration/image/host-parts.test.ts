import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { type Change, Container, Image, type RunOptions } from '../../../lib/index.js';
import type { Mounter } from '../../../lib/plan/mounter.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
// a tmpfs takes the marks of such overlays since that kernel
const { describe, it } = requires({ root: true, kernel: '6.6', tools: ['setpriv', 'unshare', 'mount', 'find'] });

const folder = temporaryFolder('/var/tmp');
// an ordinary user has a folder in there
chmodSync(folder, 0o711);

/** Root, as it would be if it could not show whole mounts. */
const inParts: Mounter = { whole: false, userxattr: true, uid: (id) => id, gid: (id) => id };

async function output(options: Omit<RunOptions, 'image'>): Promise<string> {
  const result = await Container.run({ image: 'host', ...options });
  expect(result.failed, `${result.reason}: ${result.stderr}`).toBe(false);
  return result.stdout.trimEnd();
}

const sh = (script: string, options: Omit<RunOptions, 'image' | 'command'> = {}): Promise<string> =>
  output({ command: ['sh', '-c', script], ...options });

async function list(changes: AsyncIterable<Change>): Promise<string[]> {
  const all: string[] = [];
  for await (const { kind, path, type } of changes) all.push(`${kind} ${path} ${type}`);
  return all;
}

describe('the host image in parts, as root', () => {
  beforeEach(() => {
    const { use } = Image.prototype;
    vi.spyOn(Image.prototype, 'use').mockImplementation(function (this: Image, options) {
      return use.call(this, { ...options, mounter: inParts });
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('is the host: the same names, links and files, and programs that run', async () => {
    const [names, link, passwd, mounts] = (
      await sh('ls -A / | tr "\\n" " "; echo; readlink /bin; cat /etc/passwd | sha256sum; grep -c " - overlay " /proc/self/mountinfo')
    ).split('\n');
    const kept = readdirSync('/', { withFileTypes: true }).filter((each) => each.isDirectory() || each.isSymbolicLink());
    expect(names?.split(' ')).toEqual(expect.arrayContaining(kept.map(({ name }) => name)));
    expect(link).toBe(readlinkSync('/bin'));
    expect(passwd).toBe(execFileSync('sha256sum', { input: readFileSync('/etc/passwd'), encoding: 'utf8' }).trim());
    expect(Number(mounts)).toBeGreaterThan(3);
  });

  it('hides what the whole image hides', async () => {
    writeFileSync(join(folder, 'mine'), '');
    const script =
      'for f in /etc/shadow /etc/gshadow /var/lib/nacelle /run/nacelle; do [ -e $f ] && echo $f; done; ls -A /root /home /run /tmp /var/tmp';
    expect(await sh(script)).toBe('/home:\n\n/root:\n\n/run:\n\n/tmp:\n\n/var/tmp:');
  });

  it('is copy-on-write everywhere, and the host stays as it is', async () => {
    const before = readFileSync('/etc/passwd', 'utf8');
    const script = [
      'echo new > /etc/nacelle-test; rm /etc/passwd; echo mine > /etc/passwd; echo more >> /etc/group; mkdir /usr/nacelle-test',
      'echo x > /usr/nacelle-test/x; rm -r /usr/share/doc; mkdir /usr/share/doc; rm /bin; ln -s usr/sbin /bin; echo t > /var/tmp/t; echo r > /nacelle-test',
      'cat /etc/nacelle-test /etc/passwd /usr/nacelle-test/x /var/tmp/t /nacelle-test; tail -n 1 /etc/group; ls -A /usr/share/doc; readlink /bin',
    ];
    expect(await sh(script.join('; '))).toBe('new\nmine\nx\nt\nr\nmore\nusr/sbin');
    expect(readFileSync('/etc/passwd', 'utf8')).toBe(before);
    for (const path of ['/etc/nacelle-test', '/usr/nacelle-test', '/nacelle-test', '/var/tmp/t'])
      expect(existsSync(path), path).toBe(false);
    expect(readdirSync('/usr/share/doc')).not.toEqual([]);
  });

  it('is read-only everywhere where that is asked for', async () => {
    const script = 'for f in / /etc /usr /var /opt /mnt; do touch $f/nacelle-test 2>/dev/null && echo $f; done; true';
    expect(await sh(script, { readOnly: true })).toBe('');
  });

  it.each(['tmpfs', 'disk'] as const)(
    'tells changes of all parts, with an upper in a %s; a layer of several mounts is refused',
    async (upper) => {
      process.env.NACELLE_ROOT = mkdtempSync(join(folder, 'store-'));
      try {
        await using container = await Container.create({
          image: 'host',
          upper,
          command: ['sh', '-c', 'echo x > /nacelle-test; rm /bin; echo x > /etc/nacelle-test; rm /usr/bin/env; echo x > /var/tmp/x'],
        });
        await container.start();
        await container.wait();
        const changes = await list(container.changes());
        expect(changes.filter((change) => !/ \/(work|var\/lib)( |\/)/.test(change))).toEqual([
          ...['deleted /bin symlink', 'added /nacelle-test file', 'added /etc/nacelle-test file', 'deleted /usr/bin/env file'],
          'added /var/tmp/x file',
        ]);
        await expect(container.layer()).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
        await expect(Image.commit(container)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
      } finally {
        delete process.env.NACELLE_ROOT;
      }
    },
  );

  it('is the same again in a restart, with its changes', async () => {
    await using container = await Container.create({
      image: 'host',
      command: ['sh', '-c', 'echo x >> /etc/nacelle-test; echo x >> /nacelle-test; cat /etc/nacelle-test /nacelle-test | wc -l; exit 1'],
      restart: { on: 'failure', maxRetries: 1 },
    });
    await container.start();
    expect((await container.wait()).stdout).toBe('2\n4\n');
  });

  it('can be mounted, to be looked at', async () => {
    const script =
      'ls /host/etc/passwd /host/usr/bin/env; readlink /host/bin; [ -e /host/etc/shadow ] || ls -A /host/var/tmp; touch /host/x 2>/dev/null || echo read-only';
    const mounts = [{ type: 'image', source: 'host', target: '/host' }] as const;
    expect(await sh(script, { mounts })).toBe(`/host/etc/passwd\n/host/usr/bin/env\n${readlinkSync('/bin')}\nread-only`);
  });
});

const USER = 61_234;

/**
 * Runs a script in the root that a process makes which is root in a user namespace alone: there it is the ordinary user USER. This process sees
 * the mounts of the machine, and `mounts` beside them.
 */
async function runInside(script: string, mounts = 'true'): Promise<string> {
  const own = mkdtempSync(join(folder, 'user-'));
  const result = join(own, 'out');
  writeFileSync(result, '');
  for (const path of [own, result]) chownSync(path, USER, USER);
  const user = `setpriv --reuid=${USER} --regid=${USER} --clear-groups --inh-caps=-all --bounding-set=-all`;
  const through = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', `${mounts}; exec ${user} "$@"`, 'sh'];
  const env = { NACELLE_RUNROOT: own, NACELLE_ROOT: own };
  const told = await runNode<object>('host-parts', [result, script], { through, env });
  const text = readFileSync(result, 'utf8').trimEnd();
  expect(told, text).toEqual({ kind: 'exited', value: 0 });
  return text;
}

const asUser = (...command: string[]): string =>
  execFileSync('setpriv', [`--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', '--inh-caps=-all', ...command], { encoding: 'utf8' });

describe('the host image in parts, as an ordinary user', () => {
  it('runs programs, and shows what the user may read', async () => {
    const [names, ...rest] = (
      await runInside('ls -A / | tr "\n" " "; echo; id -u; cat /etc/passwd | sha256sum; ls /usr/bin | sha256sum')
    ).split('\n');
    expect(names?.split(' ')).toEqual(expect.arrayContaining(['bin', 'etc', 'usr', 'var', 'tmp']));
    const own = asUser('sh', '-c', 'cat /etc/passwd | sha256sum; ls /usr/bin | sha256sum').trimEnd().split('\n');
    expect(rest).toEqual(['0', ...own]);
  });

  it('hides what the whole image hides, and can read nothing that the user can not', async () => {
    const gone = 'for f in /etc/shadow /var/lib/nacelle /run/nacelle; do [ -e $f ] && echo $f; done; ls -A /root /home /run /tmp /var/tmp';
    expect(await runInside(gone)).toBe('/home:\n\n/root:\n\n/run:\n\n/tmp:\n\n/var/tmp:');
    const unreadable = execFileSync('find', ['/etc', '/var/log', '-xdev', '-type', 'f', '!', '-perm', '-004'], { encoding: 'utf8' }).trim();
    expect(unreadable).not.toBe('');
    const script = `for f in ${unreadable.split('\n').join(' ')}; do cat $f >/dev/null 2>&1 && echo $f; done; true`;
    expect(await runInside(script)).toBe('');
  });

  it('lets root inside change folders that are its own, and the host stays as it is', async () => {
    const before = readFileSync('/etc/passwd', 'utf8');
    const script = [
      'rm /etc/passwd; echo mine > /etc/passwd; echo x > /usr/nacelle-test; echo x > /var/tmp/x; mkdir /nacelle-test; rm /bin; ln -s usr/sbin /bin',
      'cat /etc/passwd /usr/nacelle-test /var/tmp/x; /usr/bin/readlink /bin; echo x 2>/dev/null >> /etc/group || echo refused',
    ];
    expect(await runInside(script.join('; '))).toBe('mine\nx\nx\nusr/sbin\nrefused');
    expect(readFileSync('/etc/passwd', 'utf8')).toBe(before);
    expect(existsSync('/usr/nacelle-test')).toBe(false);
  });

  it.each([
    ['files in /etc, as docker has them', 'mount --bind /etc/hostname /etc/hosts', 'cat /etc/passwd'],
    ['a file in /usr/sbin', 'mount --bind /usr/bin/true /usr/sbin/nologin', 'ls /usr/sbin/nologin /usr/lib/os-release'],
    ['a disk in /var', 'mount --bind /opt /var/opt; mount -t tmpfs none /var/cache', 'ls -d /var/lib/dpkg /var/log; ls -A /var/cache'],
    [
      'a mount under another',
      'mount --bind /opt /srv; mount -t tmpfs none /opt; mkdir /opt/x; mount --bind /etc /opt/x',
      'ls /srv; ls -A /opt',
    ],
  ])('runs where there are %s', async (_, mounts, script) => {
    const shown = execFileSync('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', `${mounts}; ${script}`], {
      encoding: 'utf8',
    });
    const hidden = mounts.includes('/opt/x') ? shown.replace(/x\n$/, '') : shown;
    expect(await runInside(script, mounts)).toBe(hidden.trimEnd());
  });
});
