import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Container } from '../../../lib/container/container.js';
import type { ContainerOptions } from '../../../lib/container/options/container-types.js';
import { Image } from '../../../lib/image/image.js';
import { Namespace } from '../../../lib/namespace/namespace.js';
import { configText } from '../../../lib/oci-config/config-text.js';
import { makeBusyboxRoot } from '../../fixtures/busybox-root.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

/** What a program sees of how it is confined, without what is by chance. */
const LOOK = [
  'id -u; id -g; grep -E "^(Groups|Cap...|NoNewPrivs|Seccomp):" /proc/self/status',
  'hostname; pwd; umask; echo "$A:$HOSTNAME:$PATH"; cat /proc/self/oom_score_adj',
  'grep -E "open files|processes" /proc/self/limits; cat /proc/sys/net/ipv4/ip_default_ttl',
  'ls /dev/shm /masked; touch /x 2>&1; touch /data/y && rm /data/y; mount | grep -E " (/data|/small|/ro) " | sed "s/^[^ ]* //" | cut -d" " -f2,4,5',
  'cat /proc/uptime >/dev/null; unshare -U true 2>&1; ls /proc/self/fd | wc -l',
].join('\n');

requires({ containers: true, tools: ['runc', 'crun', 'unshare', 'umount', 'sh', 'mkfifo', 'ln', 'chmod'] }).describe(
  'a bundle, beside the container that it was written of',
  () => {
    const folder = temporaryFolder();

    const rootIn = (name: string): string => {
      const root = join(folder, name);
      mkdirSync(root);
      makeBusyboxRoot(root);
      for (const place of ['proc', 'sys', 'dev', 'data', 'small', 'ro', 'masked']) mkdirSync(join(root, place));
      for (const applet of ['grep', 'sed', 'cut', 'mount', 'touch', 'unshare', 'hostname', 'wc', 'pwd'])
        execFileSync('ln', ['-s', 'busybox', join(root, 'bin', applet)]);
      writeFileSync(join(root, 'masked', 'secret'), 'x');
      return root;
    };

    const options = (rootfs: string): ContainerOptions => ({
      rootfs,
      command: ['sh', '-c', LOOK],
      env: { A: 'b c' },
      user: '1000:1001',
      groupAdd: [7, 9],
      cwd: '/data',
      umask: 0o027,
      hostname: 'bundled',
      labels: { made: 'here' },
      capDrop: ['ALL'],
      capAdd: ['NET_BIND_SERVICE', 'CHOWN'],
      ulimits: { nofile: { soft: 100, hard: 200 }, nproc: 5000, core: 0 },
      oomScoreAdj: 500,
      sysctls: { 'net.ipv4.ip_default_ttl': '33' },
      maskedPaths: ['/masked', '/proc/kcore'],
      readOnly: true,
      pidsLimit: 50,
      mounts: [
        { type: 'bind', source: join(folder, 'shared'), target: '/data', options: ['nosuid', 'nodev'] },
        { type: 'bind', source: join(folder, 'shared'), target: '/ro', readOnly: true },
        { type: 'tmpfs', target: '/small', options: ['size=1m', 'mode=755'] },
      ],
    });

    /** Runs a bundle in mount and network namespaces of its own: the runtime's mounts and links go with them. */
    const runBy = (runtime: string, bundle: string): string => {
      const root = mkdtempSync(join(folder, 'state-'));
      const id = `nacelle-test-${process.pid}-${runtime}`;
      // crun refuses a machine with both trees of groups
      const script = runtime === 'crun' ? 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"' : 'exec "$@"';
      const run = ['sh', '-c', script, 'sh', runtime, '--root', root, 'run', '--bundle', bundle, id];
      return execFileSync('unshare', ['-mn', ...run], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    };

    it.each(['runc', 'crun'])('shows its program by %s what Container.run shows', async (runtime) => {
      mkdirSync(join(folder, 'shared'), { mode: 0o777, recursive: true });
      execFileSync('chmod', ['777', join(folder, 'shared')]);
      const rootfs = rootIn(`root-${runtime}`);
      const bundle = join(folder, `bundle-${runtime}`);
      const container = await Container.create(options(rootfs));
      try {
        expect(await container.toBundle(bundle)).toEqual({ left: [] });
      } finally {
        await container.remove({ force: true });
      }
      const own = await Container.run(options(rootfs));
      expect(own.stderr).toBe('');
      expect(runBy(runtime, bundle)).toBe(own.stdout);
      const read = await Container.fromBundle(bundle);
      expect(read).toMatchObject({ rootfs, user: '1000:1001', groupAdd: [7, 9], pidsLimit: 50, oomScoreAdj: 500 });
      // nacelle's own filter is known again
      expect(read).not.toHaveProperty('seccomp');
      const again = await Container.run(read);
      expect(again.stdout).toBe(own.stdout);
      expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
    });

    it('has the files of an image in a folder of its own, and says what it leaves out', async () => {
      const image = await Image.fromDirectory(rootIn('image'));
      const container = await Container.create({
        image,
        command: ['sh', '-c', 'ls -n /bin/busybox | cut -c1-10; cat /masked/secret'],
        timeout: 60_000,
        name: `bundled-${process.pid}`,
        dns: ['192.0.2.1'],
      });
      const bundle = join(folder, 'of', 'image');
      try {
        expect((await container.toBundle(bundle)).left.sort()).toEqual(['dns', 'image', 'name', 'timeout', 'upperSize']);
        expect(statSync(bundle).mode & 0o777).toBe(0o700);
        await expect(container.toBundle(bundle)).rejects.toMatchObject({
          code: 'ERR_INVALID_OPTION',
          message: expect.stringContaining('is not empty'),
        });
        // who can write to the parent could put something else there
        const open = join(folder, 'open');
        mkdirSync(open);
        chmodSync(open, 0o777);
        await expect(container.toBundle(join(open, 'bundle'))).rejects.toMatchObject({
          code: 'ERR_INVALID_OPTION',
          message: expect.stringContaining('can be written to by all'),
        });
        expect(readdirSync(open)).toEqual([]);
        mkdirSync(join(folder, 'real'));
        symlinkSync('real', join(folder, 'link'));
        await container.toBundle(join(folder, 'link'));
        expect(readdirSync(join(folder, 'real')).sort()).toEqual(['config.json', 'rootfs']);
        await container.start();
        const { stdout } = await container.wait();
        expect(stdout).toBe('-rwxr-xr-x\nx');
        expect(runBy('runc', bundle)).toBe(stdout);
        // the image's user is known by name, and its numbers before the start alone
        await expect(container.toBundle(join(folder, 'late'))).rejects.toMatchObject({ code: 'ERR_STATE' });
      } finally {
        await container.remove({ force: true });
      }
      await expect(container.toBundle(join(folder, 'gone'))).rejects.toMatchObject({ code: 'ERR_CLOSED' });
      expect(readdirSync(folder)).not.toContain('late');
      expect(readdirSync(join(folder, 'of'))).toEqual(['image']);
    });

    it('is refused for what has no folder to be the root, and reads no link, pipe or long file', async () => {
      await using host = await Container.create({ image: 'host', command: ['true'] });
      await expect(host.toBundle(join(folder, 'host'))).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
      const wrong = join(folder, 'wrong');
      mkdirSync(wrong);
      await expect(Container.fromBundle(wrong)).rejects.toMatchObject({ code: 'ENOENT' });
      symlinkSync('/etc/passwd', join(wrong, 'config.json'));
      await expect(Container.fromBundle(wrong)).rejects.toMatchObject({ code: 'ELOOP' });
      rmSync(join(wrong, 'config.json'));
      execFileSync('mkfifo', [join(wrong, 'config.json')]);
      await expect(Container.fromBundle(wrong)).rejects.toThrow('is no regular file');
      rmSync(join(wrong, 'config.json'));
      writeFileSync(join(wrong, 'config.json'), ' '.repeat(10 * 1024 ** 2 + 1));
      await expect(Container.fromBundle(wrong)).rejects.toThrow('has more than 10485760 bytes');
      writeFileSync(join(wrong, 'config.json'), '{\n"root": }');
      await expect(Container.fromBundle(wrong)).rejects.toThrow('line 2');
    });

    it('joins a namespace that config.json gives by its path, and opens none that is of another type', async () => {
      const { uts } = await Namespace.create(['uts'], { hostname: 'joined' });
      const bundle = join(folder, 'joins');
      mkdirSync(bundle);
      const config = {
        ociVersion: '1.0.2',
        root: { path: rootIn('joins-root') },
        process: { user: { uid: 0, gid: 0 }, cwd: '/', args: ['/bin/hostname'] },
        linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }, { type: 'uts', path: `/proc/self/fd/${uts.fd}` }] },
      };
      const write = (...types: string[]): void => {
        const namespaces = config.linux.namespaces.flatMap((namespace) =>
          'path' in namespace ? types.map((type) => ({ ...namespace, type })) : [namespace],
        );
        writeFileSync(join(bundle, 'config.json'), JSON.stringify({ ...config, linux: { namespaces } }));
      };
      const before = readdirSync('/proc/self/fd').length;
      try {
        write('ipc');
        await expect(Container.fromBundle(bundle)).rejects.toThrow(
          'linux.namespaces[2].path of config.json is a namespace of the type uts',
        );
        expect(readdirSync('/proc/self/fd').length).toBe(before);
        write('uts', 'ipc');
        await expect(Container.fromBundle(bundle)).rejects.toThrow(
          'linux.namespaces[3].path of config.json is a namespace of the type uts',
        );
        expect(readdirSync('/proc/self/fd').length).toBe(before);
        write('uts');
        const read = await Container.fromBundle(bundle);
        expect((await Container.run(read)).stdout).toBe('joined\n');
        const joined = read.namespaces?.uts;
        if (typeof joined === 'object') await joined.close();
      } finally {
        await uts.close();
      }
    });

    it('is the same of a detached container in another process, by what is noted', async () => {
      const args = [{ index: 0, op: 'SCMP_CMP_MASKED_EQ', value: 2n ** 63n, valueTwo: 2n ** 63n }];
      const seccomp = join(folder, 'seccomp.json');
      writeFileSync(
        seccomp,
        configText({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['personality'], action: 'SCMP_ACT_ERRNO', args }] }),
      );
      const detached = await Container.create({ ...options(rootIn('detached-root')), detach: true, seccomp });
      try {
        // the container's filter is what the file said
        writeFileSync(seccomp, '{ "defaultAction": "SCMP_ACT_ALLOW" }');
        await using attached = await Container.attach(detached.id);
        const [one, other] = [join(folder, 'one'), join(folder, 'other')];
        expect(await attached.toBundle(other)).toEqual(await detached.toBundle(one));
        const [mine = '', theirs] = [one, other].map((bundle) => readFileSync(join(bundle, 'config.json'), 'utf8'));
        expect(theirs).toBe(mine);
        expect(mine).toContain('"value": 9223372036854775808');
        expect((await Container.fromBundle(one)).seccomp).toMatchObject({
          syscalls: [{ args: [{ value: 2n ** 63n, valueTwo: 2n ** 63n }] }],
        });
      } finally {
        await detached.remove({ force: true });
      }
    });

    it("runs what runc's own spec command writes as runc does, with another /dev/shm", async () => {
      const bundle = join(folder, 'spec');
      mkdirSync(bundle);
      execFileSync('runc', ['spec', '--bundle', bundle]);
      const file = join(bundle, 'config.json');
      const config = JSON.parse(readFileSync(file, 'utf8'));
      const look =
        'grep -E "^(Cap...|NoNewPrivs|Seccomp):" /proc/self/status; grep "open files" /proc/self/limits; busybox df -k /dev/shm | busybox awk "END{print \\$2}"';
      Object.assign(config.root, { path: rootIn('spec-root') });
      Object.assign(config.process, {
        terminal: false,
        args: ['sh', '-c', `${look}; hostname; echo $PATH:$HOSTNAME; touch /x; ls /masked`],
      });
      const shm = config.mounts.find(({ destination }: { destination: string }) => destination === '/dev/shm');
      shm.options = ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=1024k'];
      config.linux.maskedPaths.push('/masked');
      writeFileSync(file, JSON.stringify(config));
      const options = await Container.fromBundle(bundle);
      expect(options.mounts).toEqual([
        { type: 'tmpfs', target: '/dev/shm', options: ['nosuid', 'nodev', 'noexec', 'mode=1777', 'size=1024k'] },
      ]);
      const own = await Container.run(options);
      expect(own.stderr).toContain('Read-only file system');
      expect(own.stdout).toContain('1024');
      expect(runBy('runc', bundle).trimEnd()).toBe(own.stdout.trimEnd());
    });
  },
);
