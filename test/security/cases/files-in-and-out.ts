import { buffer } from 'node:stream/consumers';
import { Container, type ContainerOptions, type RunOptions, Volume } from '../../../lib/index.js';
import { rounds } from '../../fixtures/rounds.js';
import { busybox } from '../../fixtures/sandbox.js';
import { attack, byHand, needsIds, rootOnly } from '../attack.js';
import { answered, beside } from '../inside.js';
import { emptyFolder, hostFile, SECRET, shell } from '../outside.js';

/** With a file of root's. */
const asNobody = { user: 'nobody', copyIn: { '/secret': { content: SECRET, mode: 0o600, uid: 0, gid: 0 } } };

/** What copyOut brings of a path, after a script of the program's. */
async function copiedOut(script: string, path: string, options: RunOptions = {}): Promise<string> {
  const run = Container.run({ ...(await busybox()), command: ['sh', '-c', script], copyOut: [path], ...options });
  const { files, notCopied } = await run;
  const [found] = Object.values(files).map((bytes) => Buffer.from(bytes).toString());
  return found ?? (notCopied.length > 0 ? 'refused' : 'missing');
}

/** What copyFrom brings: the secret, or something else. */
async function copiedFrom(container: Container, path: string): Promise<string> {
  const tar = await container
    .copyFrom(path)
    .then((stream) => buffer(stream))
    .catch(() => null);
  return tar?.includes(SECRET) ? SECRET : 'nothing of the host';
}

/** A container in which /box is a link to a folder of the host. */
const linked = <T>(
  use: (container: Container, host: ReturnType<typeof hostFile>) => Promise<T>,
  options: ContainerOptions = {},
): Promise<T> => {
  const host = hostFile();
  return beside(options, async (container) => {
    await container.exec(['sh', '-c', 'ln -s "$HOST" /box'], { env: { HOST: host.folder } });
    return use(container, host);
  });
};

/** Whatever is looked for by name is a script that says so. */
const FAKE_TOOLS = `
  printf '#!/bin/busybox sh\\n: > /executed\\n' > /fake; chmod 755 /fake
  for name in tar gzip unpigz zstd cat sh id; do /bin/busybox ln -sf /fake /bin/$name; done`;

const ON_LOG = 'chmod 4755 /proc/self/fd/1; : > /proc/self/fd/1';

const SWAP = 'while :; do mkdir /box; echo own > /box/secret; rm -r /box; ln -s "$HOST" /box; rm /box; done 2>/dev/null';

export const filesInAndOut = [
  attack({
    attack: 'has a link to a file of the host where a file is copied out',
    source: 'CVE-2018-15664, CVE-2019-10152',
    protection: 'nothing is read through a link',
    tries: () => {
      const { path } = hostFile();
      return copiedOut('ln -s "$HOST" /out', '/out', { env: { HOST: path } });
    },
    on: [{}, 'refused'],
    off: byHand('cat(1) of /proc/PID/root/…', SECRET, () => linked(({ pid }) => shell('cat "/proc/$1/root/box/secret"', String(pid)))),
  }),
  attack({
    attack: 'as nobody: has a file copied out that it may not read itself',
    source: 'a read with more rights than the container’s user',
    protection: "copyOut has no more rights than the container's user",
    as: needsIds,
    tries: () => copiedOut('true', '/secret', asNobody),
    on: [{}, 'refused'],
    off: byHand('cat(1) of /proc/PID/root/…', SECRET, () =>
      beside(asNobody, ({ pid }) => shell('cat "/proc/$1/root/secret"', String(pid))),
    ),
  }),
  attack({
    attack: 'as nobody: has a file copied from it while it runs that it may not read itself',
    source: 'a read with more rights than the container’s user',
    protection: "copyFrom has no more rights than the container's user",
    as: needsIds,
    tries: () => beside(asNobody, (container) => copiedFrom(container, '/secret')),
    on: [{}, 'nothing of the host'],
    off: byHand('cat(1) of /proc/PID/root/…', SECRET, () =>
      beside(asNobody, ({ pid }) => shell('cat "/proc/$1/root/secret"', String(pid))),
    ),
  }),
  attack({
    attack: 'has a FIFO where a file is copied out',
    source: 'FIFOs in place of files',
    protection: 'only files, folders and links are opened',
    tries: () => copiedOut('mkfifo /out', '/out'),
    on: [{}, 'refused'],
    off: byHand('cat(1) of the FIFO', 'waits', () => shell('mkfifo "$1/out"; timeout 0.3 cat "$1/out" || echo waits', emptyFolder())),
  }),
  attack({
    attack: 'has a folder of the host copied from it by a link in the middle of the path',
    source: 'CVE-2018-15664, CVE-2019-10152, CVE-2019-18466',
    protection: 'paths are resolved below the root of the container',
    tries: () => linked((container) => copiedFrom(container, '/box/secret')),
    on: [{}, 'nothing of the host'],
    off: byHand('cat(1) of /proc/PID/root/…', SECRET, () => linked(({ pid }) => shell('cat "/proc/$1/root/box/secret"', String(pid)))),
  }),
  attack({
    attack: 'has a file of the host overwritten by a link in the middle of the path that is copied to',
    source: 'CVE-2018-15664',
    protection: 'paths are resolved below the root of the container',
    tries: () =>
      linked(async (container, host) => {
        await container.copyTo('/box/secret', 'EVIL').catch(() => undefined);
        return host.state();
      }),
    on: [{}, 'untouched'],
    off: byHand('a write to /proc/PID/root/…', 'changed', () =>
      linked(async ({ pid }, host) => {
        await shell('echo EVIL > "/proc/$1/root/box/secret"', String(pid));
        return host.state();
      }),
    ),
  }),
  attack({
    attack: 'swaps a folder for a link to the host, again and again, while files are copied from it and to it',
    source: 'CVE-2018-15664',
    protection: 'paths are resolved by openat2(2) with RESOLVE_IN_ROOT',
    tries: () => {
      const host = hostFile();
      return beside({ command: ['sh', '-c', SWAP], env: { HOST: host.folder } }, async (container) => {
        for (let round = 0; round < rounds(20, 1000); round++) {
          if ((await copiedFrom(container, '/box/secret')) === SECRET) return SECRET;
          await container.copyTo('/box/new', 'EVIL').catch(() => undefined);
        }
        return host.state();
      });
    },
    on: [{}, 'untouched'],
    off: byHand('a write to /proc/PID/root/…, at the worst moment', 'changed', () =>
      linked(async ({ pid }, host) => {
        await shell('echo EVIL > "/proc/$1/root/box/new"', String(pid));
        return host.state();
      }),
    ),
  }),
  attack({
    attack: 'has programs of its own where somebody who copies from it might look for some',
    source: 'CVE-2019-14271, CVE-2026-41567',
    protection: 'nothing of a container is executed for the host',
    as: rootOnly("nobody but root enters another's root"),
    tries: () =>
      beside({}, async (container) => {
        await container.exec(['sh', '-c', FAKE_TOOLS]);
        await (await container.copyFrom('/etc')).resume().toArray();
        await container.copyTo('/tmp/x', 'x');
        return answered(container.exec(['/bin/busybox', 'sh', '-c', '[ -e /executed ] && echo executed || echo nothing']));
      }),
    on: [{}, 'nothing'],
    off: byHand('tar(1) in its root', 'executed', () =>
      beside({}, async (container) => {
        await container.exec(['sh', '-c', FAKE_TOOLS]);
        await shell('chroot "/proc/$1/root" /bin/tar -c /etc', String(container.pid));
        return answered(container.exec(['/bin/busybox', 'sh', '-c', '[ -e /executed ] && echo executed || echo nothing']));
      }),
    ),
  }),
  attack({
    attack: 'replaces a folder by a link to the host, whose files would be part of its layer',
    source: 'links in place of folders',
    protection: 'the upper is read by descriptor, and no link is followed',
    tries: async () => {
      const { folder } = hostFile();
      const box = { ...(await busybox()), command: ['ln', '-s', folder, '/box'] };
      await using container = await Container.create(box);
      await container.start();
      await container.wait();
      return (await buffer(await container.layer())).includes(SECRET) ? SECRET : 'nothing of the host';
    },
    on: [{}, 'nothing of the host'],
    off: byHand('tar -h', SECRET, async () =>
      shell('cd "$1"; ln -s "$2" box; tar -c -h box | tar -x -O', emptyFolder(), hostFile().folder),
    ),
  }),
  attack({
    attack: 'swaps a folder of its volume for a link to the host, again and again, while the volume is exported',
    source: 'CVE-2018-15664, for volumes',
    protection: 'a volume is read by descriptor, and no link is followed',
    tries: () => {
      const host = hostFile();
      const swap = SWAP.replaceAll('/box', '/v/box');
      return beside({ command: ['sh', '-c', swap], env: { HOST: host.folder }, volumes: ['data:/v'] }, async () => {
        const volume = await Volume.open('data');
        for (let round = 0; round < rounds(20, 1000); round++) {
          const tar = await volume
            .export()
            .then((stream) => buffer(stream))
            .catch(() => null);
          if (tar?.includes(SECRET)) return SECRET;
        }
        return 'nothing of the host';
      });
    },
    on: [{}, 'nothing of the host'],
    off: byHand('cat(1) by path, at the worst moment', SECRET, () =>
      shell('ln -s "$2" "$1/box"; cat "$1/box/secret"', emptyFolder(), hostFile().folder),
    ),
  }),
  attack({
    attack: 'as a detached container: cuts its log, and makes a set-user-id program of it',
    source: 'an attack on an earlier version',
    protection: 'the log is written by a process beside it, from a pipe',
    tries: async () => {
      const box = { ...(await busybox()), detach: true, command: ['sh', '-c', `echo first; (${ON_LOG}) 2>/dev/null; echo last`] };
      await using container = await Container.create(box);
      await container.start();
      await container.wait();
      let text = '';
      for await (const { data } of container.logs()) text += String(data);
      await container.remove();
      return text.replaceAll('\n', ' ').trim();
    },
    on: [{}, 'first last'],
    off: byHand('a shell that writes to a file', 'last', () =>
      shell('sh -c "$2" > "$1/log"; cat "$1/log"', emptyFolder(), `echo first; ${ON_LOG}; echo last >> /proc/self/fd/1`),
    ),
  }),
];
