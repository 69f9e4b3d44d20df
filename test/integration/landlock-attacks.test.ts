import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { compile } from '../fixtures/compile.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { it } = requires({ root: true, tools: ['unshare', 'setpriv', 'mount', 'env', 'gcc', 'ip'], kernel: '6.12' });

const USER = 61_234;
const project = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

type Told = Readonly<Record<'bare' | 'oracle' | 'confined' | 'host' | 'ports', Record<string, string>>> & {
  asRoot?: Record<string, string>;
};

/** Where programs have no business, with secrets that everybody could read, in a mount namespace of the test's own. */
const SECRETS = '/srv';
/** In a folder that is shown but for it. */
const STORE = '/opt/store';

function script(last: string): string {
  return [
    'PATH=$NACELLE_TEST_PATH',
    // where no other program takes the port that an attack is about to bind
    'ip link set lo up',
    // what the test finds is below /tmp, which is about to be hidden
    `mount -t tmpfs none /mnt; mkdir /mnt/project /mnt/programs; mount --bind ${project} /mnt/project`,
    'cp "$ATTACK" "$ORACLE" /mnt/programs; chmod 755 /mnt/programs /mnt/programs/*',
    `mount -t tmpfs -o mode=1777 none /tmp; mkdir -p ${project}; mount --bind /mnt/project ${project}`,
    `mount -t tmpfs -o mode=777 none /opt; mount -t tmpfs -o mode=755 none ${SECRETS}`,
    ...[`${SECRETS}/root`, `${SECRETS}/home`, STORE].map((path) => `mkdir ${path}; echo of others > ${path}/secret`),
    'echo host > /mnt/hostname; chmod 666 /mnt/hostname; mount --bind /mnt/hostname /etc/hostname',
    last,
  ].join('\n');
}

function run(last: string): Promise<Told> {
  const env = { ATTACK: compile('landlock-attack'), ORACLE: compile('landlock-oracle'), NACELLE_ROOT: STORE };
  const through = ['unshare', '--mount', '--net', 'sh', '-ec', script(last), 'sh'];
  return runNode('landlock-attacks', ['/mnt/programs/landlock-attack', '/mnt/programs/landlock-oracle', SECRETS, STORE], { through, env });
}

const dropAll = `setpriv --reuid=${USER} --regid=${USER} --clear-groups --inh-caps=-all`;
const asUser = `exec env -u NACELLE_RUNROOT -u XDG_RUNTIME_DIR ${dropAll} "$@"`;
/** Nobody can have a namespace more, as where docker's filter or Ubuntu's AppArmor refuse them. */
const counts = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup', 'time'].map((type) => `/proc/sys/user/max_${type}_namespaces`);
const withoutNamespaces = [
  `exec env -u NACELLE_RUNROOT -u XDG_RUNTIME_DIR ${dropAll} unshare --user --map-current-user --keep-caps sh -ec`,
  `'PATH=$NACELLE_TEST_PATH; for file in ${counts.join(' ')}; do echo 0 > $file; done; exec setpriv --inh-caps=-all --ambient-caps=-all "$@"' sh "$@"`,
].join(' ');

/** What the user can do with nothing around the program, by the error with which Landlock denies it. */
const DENIED_BY_LANDLOCK = {
  EACCES: [
    ...[`read=${SECRETS}/root/secret`, `read=${SECRETS}/home/secret`, `read=${STORE}/secret`, `list=${SECRETS}/home`],
    ...['read=OTHER/a', 'list=OTHER', 'write=OTHER/a', 'create=OTHER/new', 'empty=OTHER/b', 'truncate=OTHER/c', 'mkdir=OTHER/folder'],
    ...['symlink=OTHER/link', 'unlink=OTHER/d', 'exec=OTHER/tool', 'write=READABLE/a', 'create=READABLE/new', 'empty=READABLE/b'],
    ...['truncate=READABLE/c', 'unlink=READABLE/d', 'rename=OPEN/b,OTHER/moved', 'link=OPEN/c,OTHER/linked', 'rename=OTHER/x,OPEN/taken'],
    ...['write=/etc/hostname', 'create=/opt/NEW', 'ioctl=/dev/zero', 'mem=PID', 'environ=PID', 'root=PID'],
  ],
  // a file does not come to where more can be done with it
  EXDEV: ['link=READABLE/a,OPEN/borrowed'],
  EPERM: ['kill=PID', 'pidfd=PID', 'sigio=PID', 'ptrace=PID', 'vm=PID', 'getfd=PID'],
};

/** The same for what Landlock alone leaves open, and the filter refuses. */
const DENIED_BY_FILTER = ['udp=UDP', 'fast=PORT', 'mptcp', 'unix=FOLDER/socket', 'prlimit=PID', 'userns', 'shm'];

/** What the filter refuses earlier than Landlock would. */
const DENIED_BY_BOTH = ['connect=PORT', 'bind=FREE', 'unix=@nacelle-test-SELF'];

const ALLOWED = ['read=READABLE/a', 'read=OPEN/a', 'create=OPEN/new', 'truncate=OPEN/a', 'exec=OPEN/tool', 'rename=OPEN/d,OPEN/x/d'];
const ALSO_ALLOWED = ['read=/etc/passwd', 'stream-pair'];

/** What neither can deny: `notEnforced` names it. */
const LEFT_OPEN = ['chmod=OTHER/y', 'fds=PID'];

function each(names: readonly string[], result: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, result]));
}

const byLandlock = Object.assign({}, ...Object.entries(DENIED_BY_LANDLOCK).map(([error, names]) => each(names, error)));
const open = each([...ALLOWED, ...ALSO_ALLOWED, ...LEFT_OPEN], 'did');
const PAIR = 'pair=FOLDER/absent';

it.each([
  ['root', 'exec env -u NACELLE_RUNROOT "$@"'],
  ['another user', asUser],
  ['another user where no namespace can be had', withoutNamespaces],
])('a program of %s does nothing under Landlock that no rule allows', async (_, last) => {
  const { bare, oracle, confined, host, ports, asRoot } = await run(last);
  // with nothing around it, the program can do all of it; ENOENT: it was let to look there
  expect(bare).toEqual({
    ...each(Object.keys(confined), 'did'),
    [PAIR]: 'ENOENT',
    ...(last === withoutNamespaces ? { userns: 'ENOSPC' } : {}),
  });
  // the raw system calls of Landlock, without a filter, deny the same; what they let through is what the filter is for
  expect(oracle).toEqual({ ...bare, ...byLandlock, ...each(['connect=PORT', 'bind=FREE'], 'EACCES'), 'unix=@nacelle-test-SELF': 'EPERM' });
  expect(confined).toEqual({ ...open, ...byLandlock, ...each([...DENIED_BY_FILTER, ...DENIED_BY_BOTH, PAIR], 'EPERM') });
  const chosen = { 'stream-pair': 'did', 'chmod=OTHER/y': 'did', ...each(['unix=FOLDER/socket', 'unix=@nacelle-test-SELF'], 'EPERM') };
  expect(host).toEqual({ ...chosen, ...each(['connect=PORT', 'bind=FREE', 'udp=UDP', 'fast=PORT', 'mptcp'], 'did') });
  expect(ports).toEqual({ ...chosen, ...each(['udp=UDP', 'fast=PORT', 'mptcp'], 'EPERM'), 'connect=PORT': 'did', 'bind=FREE': 'EACCES' });
  // root owns what others put there, so its program may change no modes at all
  expect(asRoot?.['chmod=OTHER/y'] ?? 'EPERM').toBe('EPERM');
});
