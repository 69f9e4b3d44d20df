import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MOUNT_ATTR } from '../../../lib/plan/recipe.js';
import { withPlans } from '../altered-plans.js';
import { attack, byHand, rootOnly } from '../attack.js';
import { beside, said, script } from '../inside.js';
import { emptyFolder, privately, rootWith, SECRET, shell } from '../outside.js';

const idOf = (path: string): string => `${statSync(path).dev}:${statSync(path).ino}`;
const whose = (id: string): string => (id === idOf('/dev/null') ? "the host's" : 'its own');

/** An image with a node of /dev/zero, which each container may open in its own /dev. */
async function ownNode(): Promise<string> {
  const root = await rootWith();
  await shell('mknod -m 666 "$1/zero" c 1 5', root);
  return said(['sh', '-c', 'head -c 1 /zero 2>/dev/null | wc -c'], { image: `dir:${root}` });
}

/** A root whose null device is a file of its own. */
async function rootWithFakeNull(): Promise<string> {
  const root = await rootWith({ 'dev/null': '../fake' });
  writeFileSync(join(root, 'fake'), SECRET);
  writeFileSync(join(root, 'masked'), 'masked');
  return root;
}

export const devices = [
  attack({
    attack: 'makes a node of a disk, with CAP_MKNOD',
    source: "docker's default has MKNOD",
    protection: "the group's device rules",
    as: rootOnly('nobody but root makes nodes'),
    tries: script('mknod /tmp/disk b 7 0 2>/dev/null && echo made || echo refused', { capAdd: ['MKNOD'] }),
    on: [{}, 'refused'],
    off: [{ deviceRules: [{ type: 'a', access: 'rwm', allow: true }] }, 'made'],
  }),
  attack({
    attack: 'opens a device that its image has brought',
    source: 'nodes in layers',
    protection: 'the root is nodev',
    as: rootOnly('nobody but root makes nodes'),
    tries: ownNode,
    on: [{}, '0'],
    off: byHand('a plan without nodev', '1', () =>
      withPlans((step) => (step.op === 'overlay' ? { ...step, attributes: Number(step.attributes) & ~MOUNT_ATTR.NODEV } : step), ownNode),
    ),
  }),
  attack({
    attack: "gets the host's null device as its stdin, whose mode it may change for the whole machine",
    source: 'an attack on an earlier version',
    protection: "'ignore' is the container's own null device",
    as: rootOnly("a user's null device is the host's in any case, whose mode is for root"),
    tries: async () => whose(await said(['stat', '-L', '-c', '%d:%i', '/proc/self/fd/0'], { stdin: 'ignore' })),
    on: [{}, 'its own'],
    off: byHand("'ignore' of Node's", "the host's", async () => {
      const child = spawn('stat', ['-L', '-c', '%d:%i', '/proc/self/fd/0'], { stdio: ['ignore', 'pipe', 'ignore'] });
      let id = '';
      child.stdout.on('data', (bytes) => {
        id += String(bytes);
      });
      await once(child, 'close');
      return whose(id.trim());
    }),
  }),
  attack({
    attack: 'has a link in the place of /dev/null, and so its own file as a mask',
    source: 'CVE-2025-31133',
    protection: 'the null device is checked to be the character device 1:3, and mounted by descriptor',
    tries: async () =>
      said(['sh', '-c', 'cat /masked | grep . || echo masked'], { rootfs: await rootWithFakeNull(), maskedPaths: ['/masked'] }),
    on: [{}, 'masked'],
    off: byHand('mount(8) by path', SECRET, async () =>
      privately('mount --bind "$1/dev/null" "$1/masked" && cat "$1/masked"', await rootWithFakeNull()),
    ),
  }),
  attack({
    attack: 'replaces its own /dev/null by a link, which exec would open and write to',
    source: 'CVE-2025-31133, for exec',
    protection: 'the null device is checked before it is opened',
    as: rootOnly("a user's null device is mounted, and can't be replaced"),
    tries: () =>
      beside({}, async (container) => {
        await container.exec(['sh', '-c', 'rm /dev/null; ln -s /tmp/file /dev/null; touch /tmp/file'], { stdin: 'pipe' });
        const end = await container.exec(['true'], { stdout: 'ignore' }).catch(() => null);
        return end === null ? 'refused' : 'opened';
      }),
    on: [{}, 'refused'],
    off: byHand('open(2) by path', 'written', () =>
      shell('cd "$1"; touch file; ln -s file null; echo x > null; test -s file && echo written', emptyFolder()),
    ),
  }),
  attack({
    attack: 'has something else than a devpts at /dev/pts, when a program of the caller wants a terminal',
    source: 'CVE-2025-52565',
    protection: "the terminal's two ends are taken by descriptor from a devpts that is checked to be one",
    tries: () =>
      beside({ capAdd: ['SYS_ADMIN'] }, async (container) => {
        const { exitCode, stderr } = await container.exec(['sh', '-c', 'umount -l /dev/pts && mkfifo /dev/pts/ptmx']);
        if (exitCode !== 0) return stderr;
        return container.exec(['true'], { tty: true }).then(
          () => 'opened',
          () => 'refused',
        );
      }),
    on: [{}, 'refused'],
    off: byHand('open(2) by path', 'opened', () => shell('cd "$1"; touch ptmx; : <> ptmx && echo opened', emptyFolder())),
  }),
  attack({
    attack: 'puts a link at /dev/console, so that the terminal is mounted over another file',
    source: 'CVE-2025-52565',
    protection: '/dev is a file system of its own, which nobody has before the program',
    tries: async () => {
      const root = await rootWith({ 'dev/console': '/target' });
      writeFileSync(join(root, 'target'), SECRET);
      return said(['cat', '/target'], { rootfs: root, tty: true });
    },
    on: [{}, SECRET],
    off: byHand('mount(8) by path', 'hidden', async () =>
      privately(
        'echo x > "$1/target"; : > "$1/terminal"; mount --bind "$1/terminal" "$1/dev/console"; test -s "$1/target" || echo hidden',
        await rootWith({ 'dev/console': '../target' }),
      ),
    ),
  }),
];
