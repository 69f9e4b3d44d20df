import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { asOrdinaryUser, givingIds, USER } from '../fixtures/ordinary-user.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
// a tmpfs takes the marks of overlays of users since that kernel
const { describe, it } = requires({
  root: true,
  kernel: '6.6',
  tools: ['unshare', 'setpriv', 'mount', 'env', 'chown', 'mkdir', 'cp', 'busybox'],
});

const works = { available: true, reason: null, fix: null };
const why = { reason: expect.stringContaining('no subordinate ids'), fix: expect.stringContaining('usermod') };
const refused = (message: RegExp) => ({ name: 'UnsupportedError', message: expect.stringMatching(message) });

describe('a user without root', () => {
  let telling: Promise<Readonly<Record<string, unknown>>> | undefined;
  /** All is tried once, by one process, in the first of the tests. */
  function told(): NonNullable<typeof telling> {
    telling ??= asOrdinaryUser('rootless');
    return telling;
  }

  it.each<[name: string, what: string, expected: unknown]>([
    [
      'features',
      'is told so by features()',
      {
        ...works,
        parts: {
          namespace: works,
          ids: { ...works, available: false, ...why },
          loopback: works,
          proc: works,
          overlay: works,
          // nobody handed a group over, and no systemd runs here
          limits: { available: false, reason: expect.stringMatching(/^this user may not make groups in/), fix: expect.any(String) },
        },
      },
    ],
    ['ids', 'is root inside, alone, and can leave no group', expect.stringMatching(/^0\n0\n +0 +0 +1\ndeny$/)],
    ['processes', 'sees no process of others', '1 1'],
    ['devices', 'has the usual devices', '2\nfd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero'],
    ['node', 'makes no device', expect.stringContaining('Operation not permitted')],
    ['etc', "changes files of the machine's root, for itself", expect.stringMatching(/^inside\nls: cannot access '\/etc\/passwd'/)],
    [
      'masked',
      'is refused what root in a container is refused',
      expect.stringMatching(/mount: .*permission denied[\s\S]*hostname: you must be root/),
    ],
    ['network', 'has no network', 'lo\n1'],
    ['host network', "has the host's, when asked for", expect.stringMatching(/^[1-9]/)],
    ['disk', 'writes to the disk', 'x'],
    ['device', 'has devices that are given', 'c'],
    ['bind', 'has folders that are given', expect.stringMatching(/^\/bound\/bin\ntouch: .*Read-only file system$/)],
    ['sysctl', 'sets what is of its own namespaces', '1'],
    [
      'read-only',
      'writes nothing to a root that is read-only',
      expect.stringMatching(/'\/x': Read-only file system\n.*'\/tmp\/x': Read-only/),
    ],
    ['init', 'has a process 1 beside', '2'],
    ['shared memory', "shares the host's ipc namespace", 'ok'],
    ['ended', 'ends at its time limit, with all that it has started', 'timeout'],
    ['files', 'gives files', 'out\n'],
    ['volume', 'has volumes, which last', 'kept'],
    ['exec of a file', 'reads a file as a further program', true],
    ['clocks', 'has clocks of its own', expect.stringMatching(/^1\d{9}$/)],
    ['exec', 'takes more programs, also at a terminal', ['0\n00000000800405fb\n/usr/bin/sleep', '/dev/pts/0']],
    ['copy', 'takes and gives files while it runs', ['text', true]],
    ['again', 'starts again, with what it had changed', 'twice'],
    ['changes', 'tells its changes', ['added /etc/new', 'deleted /etc/passwd']],
    ['detached', 'outlives its process', [3, 'out\n', ['one stopped']]],
    ['denied', 'tells of refused calls', ['unshare']],
    ['opened', 'runs an image that was opened', 0],
    ['folder', 'runs a folder of its own', ['0\nbusybox\ncat\nls\nnew\nrm\nsh\n', 'busybox\ncat\nid\nls\nrm\nsh\n']],
    ['files of detached', 'takes and gives files of a detached one', [true, 'text', []]],
    ['files of others', 'takes files of one that another process has made', true],
    ['ids of files', 'gives files to nobody else', expect.stringContaining('Invalid argument')],
    ['all processes', 'is told of processes that it can not show', refused(/^namespaces: \{ pid: 'host' \} is not supported here/)],
    ['at once', 'runs many at once', 20],
    [
      'groups',
      'is told of groups that it can not have',
      refused(/^groupAdd is not supported here: only this user's own id is mapped: .* no subordinate ids/),
    ],
    [
      'user',
      'is told of a user that it can not have',
      refused(/^user 1000 is not supported here: only this user's own id is mapped: .* no subordinate ids/),
    ],
    [
      'name',
      'is told of a user by name that it can not have',
      { name: 'SyscallError', message: expect.stringMatching(/EINVAL.*not in the map of the user namespace/) },
    ],
    ['memory', 'is refused a limit that nothing keeps', refused(/^limit memory is not supported here: this user may not make groups/)],
    ['number of processes', 'is refused another', refused(/^limit pidsLimit is not supported here: this user may not make groups/)],
    ['time', 'is refused one of CPU time', refused(/^cpuTimeLimit is not supported here: no cgroup counts CPU time: this user may not/)],
    ['reported', 'is told of them, when that was asked for', ['memory', 'pidsLimit', 'cpuTimeLimit']],
    ['used', 'is told what a program has used', [null, true]],
    ['shared mount', 'is told of mounts that the host would see', refused(/^the propagation of \/m, rshared, is not supported here/)],
  ])('%s: %s', async (name, _, expected) => {
    expect((await told())[name]).toEqual(expected);
  });
});

// on a disk: what is mounted of a tmpfs is no part of the host image
const folder = temporaryFolder('/var/tmp');
chmodSync(folder, 0o755);

describe('a machine with a mount in a folder of hundreds', () => {
  // a folder that the host image does not hide
  const many = temporaryFolder('/srv');
  chmodSync(many, 0o755);

  it('is shown whole, each of the others as a part of its own', async () => {
    for (let i = 0; i < 300; i++) {
      const path = join(many, String(i));
      mkdirSync(path);
      writeFileSync(join(path, 'file'), 'x\n');
      chownSync(path, USER, USER);
    }
    const told = await asOrdinaryUser('rootless-many-parts', [many], `mount -t tmpfs none ${many}/7; echo y > ${many}/7/file`);
    expect(told).toEqual({ seen: ['x', '300', ''], added: [`${many}/299/new`], left: 0 });
  });
});

const withIds = requires({ root: true, kernel: '6.6', tools: ['newuidmap', 'newgidmap'] });

withIds.describe('a user with subordinate ids', () => {
  it('is every user in a container, and every group', async () => {
    const told = await asOrdinaryUser<object>('rootless-ids', [], givingIds(folder, `${USER}:200000:65536`));
    expect(told).toEqual({
      maps: '0 0 1\n1 1 65536\n0 0 1\n1 1 65536\nallow',
      outside: `0 ${USER} 1\n1 200000 65536`,
      user: '1000 1000 1000',
      groups: '0 4 4242',
      files: '33 42',
      volume: '33 42',
      changes: ['added /tmp/nacelle-test-ids'],
      terminal: 'crw--w---- 5',
      exec: '7 7',
    });
  });

  it.each([
    ['a line that is none', `${USER}:x:1`, /^subordinate ids is not supported here: \/etc\/subuid, line 1, is no range: "61234:x:1"/],
    ['ids that are not his', `${USER}:200000:65536:`, /line 1/],
  ])('is refused with %s, before anything is made', async (_, line, message) => {
    const told = await asOrdinaryUser<{ maps: unknown }>('rootless-ids', [], givingIds(folder, line));
    expect(told.maps).toEqual({ name: 'UnsupportedError', message: expect.stringMatching(message) });
  });
});
