import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunOptions } from '../../../lib/index.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { type TarEntry, tarArchive } from '../../fixtures/tar.js';
import { withPlans } from '../altered-plans.js';
import { attack, byHand, needsIds } from '../attack.js';
import { busyboxLayer, imageOf } from '../image.js';
import { program, said, script } from '../inside.js';
import { emptyFolder, hostFile, privately, rootWith, shell } from '../outside.js';

/** With some of the sets of capabilities as large as the permitted one. */
async function withSets<T>(sets: readonly ('inheritable' | 'ambient')[], use: () => Promise<T>): Promise<T> {
  return withPlans(
    (step) => (step.op === 'capabilities' ? { ...step, ...Object.fromEntries(sets.map((set) => [set, step.permitted])) } : step),
    use,
  );
}

const sets = script("grep -E 'Cap(Inh|Amb)' /proc/self/status | grep -vq 0000000000000000 && echo some || echo none");

const GROUPS = 'id -G | grep -qw 0 && echo "root\'s too" || echo "its own"';

export const users = [
  attack({
    attack: 'finds capabilities in the inheritable set, which a file may raise',
    source: 'CVE-2022-29162, CVE-2022-24769, CVE-2022-27649',
    protection: 'inheritable and ambient sets are empty',
    tries: sets,
    on: [{}, 'none'],
    off: byHand('a plan that sets them', 'some', () => withSets(['inheritable'], () => sets({}))),
  }),
  attack({
    attack: 'as nobody: runs a set-user-id program of root',
    source: 'any set-user-id program of an image',
    protection: 'no_new_privs',
    as: needsIds,
    tries: (options: RunOptions) =>
      said(['/probe', 'ids'], { user: 'nobody', copyIn: program('probe', { mode: 0o4755, uid: 0 }), ...options }),
    on: [{}, '65534 65534'],
    off: [{ noNewPrivileges: false }, '65534 0'],
  }),
  attack({
    attack: 'as nobody: runs a program whose file has CAP_SYS_ADMIN, where that is not stopped by no_new_privs',
    source: 'file capabilities of a layer',
    protection: 'the bounding set',
    as: needsIds,
    tries: async (options: RunOptions) => {
      const data = readFileSync(join(await busyboxRootfs(), 'bin/busybox'));
      // VFS_CAP_REVISION_2 with the effective bit, and bit 21 permitted
      const capability = Buffer.from('0100000200002000000000000000000000000000', 'hex');
      const file: TarEntry = { name: 'cap/busybox', mode: 0o755, data, pax: { 'SCHILY.xattr.security.capability': capability } };
      const image = imageOf([await busyboxLayer(), tarArchive(file)]);
      const command = ['sh', '-c', '/cap/busybox grep -q "CapEff:.*200000$" /proc/self/status 2>/dev/null && echo gained || echo refused'];
      return said(command, { image, user: 'nobody', noNewPrivileges: false, ...options });
    },
    on: [{}, 'refused'],
    off: [{ capAdd: ['SYS_ADMIN'] }, 'gained'],
  }),
  attack({
    attack: 'opens a raw socket',
    source: "docker's default has NET_RAW: CVE-2020-14386",
    protection: 'no CAP_NET_RAW',
    tries: script('ping -c 1 -w 1 127.0.0.1 >/dev/null 2>&1 && echo sent || echo refused'),
    on: [{}, 'refused'],
    off: [{ capAdd: ['NET_RAW'] }, 'sent'],
  }),
  attack({
    attack: 'as another user: is in the groups of who started it',
    source: 'CVE-2022-36109, CVE-2023-25173, CVE-2022-2995',
    protection: 'no supplementary groups but those of the user',
    as: needsIds,
    tries: script(GROUPS, { user: '1000' }),
    on: [{}, 'its own'],
    off: byHand('setpriv --keep-groups', "root's too", () =>
      privately('setpriv --groups=0 setpriv --reuid=1000 --regid=1000 --keep-groups sh -c "$1"', GROUPS),
    ),
  }),
  attack({
    attack: 'is to run as a user that is half a number, 0001, 4294967295, -1, 1x or +0, and would be root',
    source: 'CVE-2026-30892',
    protection: 'users are read exactly, or refused',
    as: needsIds,
    tries: async () => {
      const users = ['0001', '4294967295', '-1', '1x', '+0'];
      const told = await Promise.all(users.map((user) => said(['id', '-u'], { user })));
      return told.every((line) => line.startsWith('refused: E')) ? 'refused' : told.join(' ');
    },
    on: [{}, 'refused'],
    off: byHand("chroot(1)'s +0", '0', () => privately('chroot --userspec=+0 / id -u')),
  }),
  attack({
    attack: "has a FIFO in the place of /etc/passwd, at which the host's root would wait",
    source: 'CVE-2024-9676',
    protection: 'only a regular file is read',
    tries: async (options: RunOptions) => {
      const root = await rootWith();
      await shell('rm "$1/etc/passwd"; mkfifo "$1/etc/passwd"', root);
      return said(['true'], { rootfs: root, user: 'user', ...options });
    },
    on: [{}, 'refused: EINVAL'],
    off: byHand('grep(1) on the same file', 'waits', () =>
      shell('mkfifo "$1/passwd"; timeout 0.3 sh -c "read -r line < $1/passwd" || echo waits', emptyFolder()),
    ),
  }),
  attack({
    attack: "has a link in the place of /etc/passwd, to a file of the host's",
    source: 'CVE-2024-9676',
    protection: 'the link leads nowhere but into the root',
    tries: async (options: RunOptions) => {
      const { path } = hostFile();
      await shell('echo "evil:x:7:7::/:/bin/sh" > "$1"', path);
      return said(['id', '-u'], { rootfs: await rootWith({ 'etc/passwd': path }), user: 'evil', ...options });
    },
    on: [{}, 'refused: ENOENT'],
    off: byHand('a path below the root, opened as such', 'evil', async () => {
      const { path } = hostFile();
      await shell('echo "evil:x:7:7::/:/bin/sh" > "$1"', path);
      return shell('cut -d : -f 1 "$1/etc/passwd"', await rootWith({ 'etc/passwd': path }));
    }),
  }),
];
