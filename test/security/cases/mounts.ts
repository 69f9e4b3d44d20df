import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RunOptions } from '../../../lib/index.js';
import { rounds } from '../../fixtures/rounds.js';
import { attack, byHand, needsIds, rootOnly } from '../attack.js';
import { busyboxLayer, imageOf } from '../image.js';
import { answered, beside, opens, program, said, script } from '../inside.js';
import { emptyFolder, hostFile, privately, rootWith, shell } from '../outside.js';

/** A root whose folder is a link to one of the host's, and what became of that. */
const linked = (path: string, options: (root: string) => RunOptions) => async () => {
  const host = hostFile();
  const root = await rootWith({ [path]: host.folder });
  await said(['sh', '-c', 'echo x > /tmp/x; echo x > /dev/x; echo x > /etc/x; echo x > /proc/x; true'], options(root));
  return host.state();
};

/** mount(8) by path on the same link. */
export const byPath = (path: string) =>
  byHand('mount(8) by path', 'mounted there', async () => {
    const host = hostFile();
    const root = await rootWith({ [path]: host.folder });
    const script = 'mount -t tmpfs none "$1/$2"; grep -qF " $3 " /proc/self/mountinfo && echo mounted there || echo no';
    return privately(script, root, path, host.folder);
  });

/** mkdir(1) by path, whose way leads by a link to a folder of the host. */
export const madeByPath = byHand('mkdir(1) by path', 'changed', async () => {
  const host = hostFile();
  await privately('mkdir -p "$1/data/deep/er"', await rootWith({ data: host.folder }));
  return host.state();
});

const exec = async (options: RunOptions): Promise<string> =>
  said(['sh', '-c', 'cp /escape /t/; /t/escape shm get 2>/dev/null || echo refused'], { copyIn: program('escape'), ...options });

const setUserId = (setting: RunOptions): Promise<string> =>
  beside({ ...setting, copyIn: program('probe'), noNewPrivileges: false }, async (container) => {
    await container.exec(['sh', '-c', 'chmod 755 /t; cp /probe /t/; chmod 4755 /t/probe']);
    return answered(container.exec(['/t/probe', 'ids'], { user: 'nobody' }));
  });

/** A folder of the host with a shared mount in it, for as long as `use` takes. */
async function withMount(use: (folder: string) => Promise<string>): Promise<string> {
  const folder = emptyFolder();
  await shell('mkdir "$1/mount"; mount -t tmpfs nacelle-test "$1/mount"; mount --make-shared "$1/mount"', folder);
  try {
    return await use(folder);
  } finally {
    await shell('umount -R "$1/mount"', folder);
  }
}

/** Runs an image that declares a volume. */
async function declared(path: string): Promise<string> {
  const image = imageOf([await busyboxLayer()], { Volumes: { [path]: {} } });
  return said(
    [
      'sh',
      '-c',
      'test -e /proc/self/status && test -e /proc/sys/kernel/osrelease && test -d /sys/kernel && test -c /dev/null && echo seen || echo hidden',
    ],
    { image },
  );
}

export const mounts = [
  ...['proc', 'sys', 'dev', 'tmp', 'etc'].map((name) =>
    attack({
      attack: `has a link to a folder of the host at /${name}, where set-up mounts`,
      source: name === 'proc' || name === 'sys' ? 'CVE-2019-19921, CVE-2023-27561, CVE-2023-28642' : 'CVE-2021-30465, CVE-2026-87766',
      protection: 'mount points are found below the root, and mounted on by descriptor',
      tries: linked(name, (root) => ({ rootfs: root, tmpfs: { '/tmp/t': '' } })),
      on: [{}, 'untouched'],
      off: byPath(name),
    }),
  ),
  attack({
    attack: "has a link in the middle of a volume's target",
    source: 'CVE-2021-30465, CVE-2024-45310, CVE-2026-41579',
    protection: 'targets are resolved by openat2(2) with RESOLVE_IN_ROOT',
    tries: linked('data', (root) => ({ rootfs: root, volumes: [`${emptyFolder()}:/data/deep/er`] })),
    on: [{}, 'untouched'],
    off: madeByPath,
  }),
  attack({
    attack: "swaps a volume's target for a link to the host, again and again, while containers are made on its root",
    source: 'CVE-2021-30465, CVE-2024-45310',
    protection: 'targets are resolved by openat2(2) with RESOLVE_IN_ROOT, and mounted on by descriptor',
    tries: async () => {
      const host = hostFile();
      const root = await rootWith();
      const swap = 'cd /r; while :; do mkdir -p d; rm -rf d 2>/dev/null; ln -s "$HOST" d; rm d; done';
      return await beside({ command: ['sh', '-c', swap], env: { HOST: host.folder }, volumes: [`${root}:/r`] }, async () => {
        for (let round = 0; round < rounds(20, 1000); round++)
          await said(['sh', '-c', 'echo x > /d/e/x'], { rootfs: root, tmpfs: { '/d/e': '' }, copyIn: { '/d/c': 'x' } });
        return host.state();
      });
    },
    on: [{}, 'untouched'],
    off: byHand('cp(1) by path, at the worst moment', 'changed', async () => {
      const host = hostFile();
      await privately('echo x > "$1/d/c"', await rootWith({ d: host.folder }));
      return host.state();
    }),
  }),
  attack({
    attack: 'puts a link where an empty mount point is to be removed at the end',
    source: 'CVE-2024-23652',
    protection: 'nothing is removed by path where others write',
    tries: async () => {
      const host = emptyFolder();
      const root = await rootWith();
      await said(['sh', '-c', 'mv /m /n; ln -s "$HOST" /m'], { rootfs: root, tmpfs: { '/m/point': '' }, env: { HOST: host } });
      return existsSync(host) && readdirSync(host).length === 0 ? 'untouched' : 'removed';
    },
    on: [{}, 'untouched'],
    off: byHand('rmdir(1) by path', 'removed', async () => {
      const host = emptyFolder();
      const root = await rootWith({ m: host });
      await privately('mkdir "$2/point"; rmdir "$1/m/point" && rmdir "$2"', root, host);
      return existsSync(host) ? 'untouched' : 'removed';
    }),
  }),
  attack({
    attack: "declares a volume at a link to a folder of the host, whose files would be the volume's first content",
    source: 'CVE-2024-1753, CVE-2024-9407',
    protection: 'what an image has there is found below its root',
    tries: async () => {
      const host = hostFile();
      return said(['ls', '-A', '/data'], { rootfs: await rootWith({ data: host.folder }), volumes: ['data:/data'] });
    },
    on: [{}, 'refused: ENOTDIR'],
    off: byHand('cp(1) by path', 'secret', async () => {
      const root = await rootWith({ data: hostFile().folder });
      return privately('cp -a "$1/data/." "$2"; ls -A "$2"', root, emptyFolder());
    }),
  }),
  attack({
    attack: "leaves a link in a volume, through which another container's mount would be made on the host",
    source: 'CVE-2024-45310, CVE-2026-41579',
    protection: 'mount points are found below the mount that holds them by name',
    tries: async () => {
      const host = hostFile();
      const volume = emptyFolder();
      await said(['ln', '-s', host.folder, '/v/link'], { volumes: [`${volume}:/v`] });
      await said(['true'], { volumes: [`${volume}:/v`], tmpfs: { '/v/link/new': '' } });
      return host.state();
    },
    on: [{}, 'untouched'],
    off: byHand('mkdir(1) by path', 'changed', async () => {
      const host = hostFile();
      await shell('ln -s "$2" "$1/link"; mkdir "$1/link/new"', emptyFolder(), host.folder);
      return host.state();
    }),
  }),
  ...['/proc', '/proc/sys', '/sys', '/dev'].map((path) =>
    attack({
      attack: `declares a volume at ${path}, over what is masked there and what others believe`,
      source: 'CVE-2019-16884',
      protection: 'an image declares no volume where the kernel answers',
      as: rootOnly('the image has files of others'),
      tries: () => declared(path),
      on: [{}, 'seen'],
      off: byHand('mount(8) over proc', 'hidden', () =>
        privately('mount -t proc proc "$1"; mount --bind "$2" "$1"; test -e "$1/self" || echo hidden', emptyFolder(), emptyFolder()),
      ),
    }),
  ),
  attack({
    attack: "mounts a hierarchy of cgroup v1, and opens the host's release_agent",
    source: 'CVE-2022-0492',
    protection: 'no CAP_SYS_ADMIN, and no mount(2) in the filter',
    as: rootOnly('nobody but root mounts it'),
    needs: { cgroup: 'v1' },
    tries: script('mount -t cgroup -o cpu cgroup /tmp 2>/dev/null && (: >> /tmp/release_agent) && echo opened || echo refused'),
    on: [{}, 'refused'],
    off: [{ capAdd: ['SYS_ADMIN'] }, 'opened'],
  }),
  attack({
    attack: 'makes its read-only volume writable, and changes a file of the host',
    source: 'remount of a bind',
    protection: 'no CAP_SYS_ADMIN, and no mount(2) in the filter',
    tries: async (options: RunOptions) => {
      const host = hostFile();
      const script = 'mount -o remount,bind,rw /v 2>/dev/null; echo EVIL > /v/secret';
      await said(['sh', '-c', script], { volumes: [`${host.folder}:/v:ro`], ...options });
      return host.state();
    },
    on: [{}, 'untouched'],
    off: [{ capAdd: ['SYS_ADMIN'] }, 'changed'],
  }),
  attack({
    attack: 'writes to a mount below its read-only volume',
    source: 'read-only binds of docker before 25',
    protection: 'read-only is for all mounts of a volume',
    as: rootOnly("a user's binds have all that is mounted below"),
    tries: async () =>
      withMount(async (folder) => {
        await said(['sh', '-c', 'echo EVIL > /v/mount/file'], { volumes: [`${folder}:/v:ro`] });
        return existsSync(join(folder, 'mount/file')) ? 'written' : 'refused';
      }),
    on: [{}, 'refused'],
    off: byHand('mount -o remount,bind,ro', 'written', () =>
      withMount((folder) =>
        privately(
          'mount --rbind "$1" "$2"; mount -o remount,bind,ro "$2"; echo EVIL > "$2/mount/file"; [ -s "$1/mount/file" ] && echo written',
          folder,
          emptyFolder(),
        ),
      ),
    ),
  }),
  attack({
    attack: 'with CAP_SYS_ADMIN: mounts in a volume, over what the host has there',
    source: 'shared propagation, systemd’s default',
    protection: 'mounts of a container are private or slaves',
    as: rootOnly("a user's mounts are never shared"),
    tries: (setting: { propagation?: 'rshared' }) =>
      withMount(async (folder) => {
        const volume = { type: 'bind', source: join(folder, 'mount'), target: '/v', ...setting } as const;
        await beside({ capAdd: ['SYS_ADMIN'], mounts: [volume] }, async (container) => {
          await container.exec(['sh', '-c', 'mkdir /v/sub; mount -t tmpfs none /v/sub; touch /v/sub/hidden']);
        });
        return existsSync(join(folder, 'mount/sub/hidden')) ? 'mounted there' : 'not there';
      }),
    on: [{}, 'not there'],
    off: [{ propagation: 'rshared' }, 'mounted there'],
  }),
  attack({
    attack: 'runs a program that it wrote to a tmpfs',
    source: "docker's defaults",
    protection: 'tmpfs are noexec',
    tries: exec,
    on: [{ tmpfs: { '/t': '' } }, 'refused'],
    off: [{ tmpfs: { '/t': 'exec' } }, 'ENOENT'],
  }),
  attack({
    attack: 'makes a set-user-id program on a tmpfs, for another user to run',
    source: "docker's defaults",
    protection: 'tmpfs are nosuid',
    as: needsIds,
    tries: setUserId,
    on: [{ tmpfs: { '/t': 'exec' } }, '65534 65534'],
    off: [{ tmpfs: { '/t': 'exec,suid' } }, '65534 0'],
  }),
  attack({
    attack: 'changes /etc/hosts though its root is read-only',
    source: 'an attack on an earlier version',
    protection: 'readOnly is for the files that are mounted there too',
    tries: script(opens('/etc/hosts')),
    on: [{ readOnly: true }, 'refused'],
    off: [{}, 'opened'],
  }),
];
