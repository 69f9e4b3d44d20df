import type { ContainerOptions, RunOptions } from '../../../lib/index.js';
import { syscallTable } from '../../../lib/security/syscalls/tables.js';
import { i386 } from '../../fixtures/refused-calls.js';
import { attack, rootOnly } from '../attack.js';
import { answered, beside, by, program, said, script } from '../inside.js';

const unconfined = { seccomp: 'unconfined' } as const;
const FILTER = 'the filter';
const BOTH = 'the filter, and no capability for it';

const called = (call: string) => {
  const tries = by('seccomp-probe', '-', 'call', call);
  return async (setting: RunOptions) => ((await tries(setting)) === '0' ? 'allowed' : 'refused');
};

/** Whether the kernel has looked at a call, whatever it then said of its arguments. */
const reaches = (name: string) => {
  const tries = by('probe', name);
  return async (setting: RunOptions) => (/^(?:EPERM|ENOSYS)$/.test(await tries(setting)) ? 'refused' : 'reaches the kernel');
};

/** The sysctl dev.tty.legacy_tiocsti may refuse it to others (Linux 6.2). */
const typing = { ...unconfined, capAdd: ['SYS_ADMIN'] };
const TIOCSTI = '0x5412';
const terminal = (request: string) => {
  const tries = by('escape', 'inject', request);
  return (setting: RunOptions) => tries({ tty: true, ...setting });
};

const ofTheKernel: readonly [attack: string, source: string, call: string, protection: string, off: RunOptions][] = [
  ['makes a user namespace by clone(2)', 'CVE-2022-0185', 'clone-user', FILTER, unconfined],
  ['makes a namespace by clone3(2), whose arguments no filter sees', 'the usual gap of filters', 'clone3', FILTER, unconfined],
  ['joins a namespace', 'setns(2)', 'setns', BOTH, { capAdd: ['SYS_ADMIN'] }],
  ['mounts a file system by fsopen(2)', 'CVE-2022-0185', 'fsopen', BOTH, { capAdd: ['SYS_ADMIN'] }],
  ['takes a mount by open_tree(2)', 'the newer mount calls', 'open_tree', BOTH, { capAdd: ['SYS_ADMIN'] }],
  ["adds to the keyring, which is no namespace's", 'CVE-2016-0728', 'add_key', FILTER, unconfined],
  ['loads a BPF program', 'CVE-2021-3490', 'bpf', FILTER, unconfined],
  ['watches the machine by perf_event_open(2)', 'CVE-2013-2094', 'perf_event_open', FILTER, unconfined],
  ['makes an io_uring, which passes by the filter', 'CVE-2022-29582', 'io_uring_setup', FILTER, unconfined],
  ['opens AF_VSOCK, which no namespace confines', 'sockets to the hypervisor', 'af_vsock', FILTER, unconfined],
  ['opens AF_ALG, which writes shared page cache', 'CVE-2026-31431', 'af_alg', FILTER, unconfined],
  ['forges packets by AF_PACKET', 'CVE-2020-14386', 'af_packet', BOTH, { capAdd: ['NET_RAW'] }],
];

export const syscalls = [
  attack({
    attack: 'becomes root of a user namespace, and mounts there',
    source: 'CVE-2022-0492, CVE-2022-0185',
    protection: FILTER,
    tries: script('unshare -Urm sh -c "mount -t tmpfs none /tmp && echo mounted" 2>/dev/null || echo refused'),
    on: [{}, 'refused'],
    off: [unconfined, 'mounted'],
  }),
  ...ofTheKernel.map(([what, source, call, protection, off]) =>
    attack({ attack: what, source, protection, tries: reaches(call), on: [{}, 'refused'], off: [off, 'reaches the kernel'] }),
  ),
  attack({
    attack: "sets the machine's clock",
    source: 'settimeofday(2)',
    protection: BOTH,
    as: rootOnly('nobody but root sets the clock'),
    tries: by('probe', 'settimeofday'),
    on: [{}, 'EPERM'],
    off: [{ capAdd: ['SYS_TIME'] }, 'OK'],
  }),
  attack({
    attack: 'handles page faults itself, to win races in the kernel',
    source: 'CVE-2021-22555 and other exploits by userfaultfd(2)',
    protection: FILTER,
    tries: called(['syscall', syscallTable('x86_64').get('userfaultfd')?.[0], 1].join(':')),
    on: [{}, 'refused'],
    off: [unconfined, 'allowed'],
  }),
  attack({
    attack: "makes a user namespace by i386's entry, int 0x80",
    source: 'filters of one architecture',
    protection: 'the filter has tables for i386 and x32',
    needs: { tools: process.arch === 'x64' ? [] : ['an x86-64 processor'] },
    tries: called(i386('unshare', 0x1000_0000)),
    on: [{}, 'refused'],
    off: [unconfined, 'allowed'],
  }),
  attack({
    attack: 'types into its terminal by TIOCSTI, as the shell that started it would read',
    source: 'CVE-2017-5226',
    protection: `${FILTER}, and a session of its own`,
    tries: terminal(TIOCSTI),
    on: [{}, 'EPERM'],
    off: [typing, 'typed'],
    needs: { typing: true },
  }),
  attack({
    attack: 'does so with a bit above the 32 that the kernel reads',
    source: 'CVE-2019-10063, CVE-2019-7303',
    protection: 'the filter looks at the low 32 bits',
    tries: terminal(`0x1${TIOCSTI.slice(2).padStart(8, '0')}`),
    on: [{}, 'EPERM'],
    off: [typing, 'typed'],
    needs: { typing: true },
  }),
  attack({
    attack: 'types into the terminal of a program that the caller runs beside it',
    source: 'CVE-2017-5226, for exec',
    protection: FILTER,
    tries: (setting: ContainerOptions) =>
      beside({ ...setting, copyIn: program('escape') }, async (container) =>
        answered(container.exec(['/escape', 'inject', TIOCSTI], { tty: true })),
      ),
    on: [{}, 'EPERM'],
    off: [typing, 'typed'],
    needs: { typing: true },
  }),
  attack({
    attack: 'loads a kernel module',
    source: 'init_module(2)',
    protection: BOTH,
    tries: by('probe', 'init_module'),
    on: [{}, 'EPERM'],
    off: { why: 'the machine would have another kernel, and this kernel loads no modules (ENOSYS)' },
  }),
  attack({
    attack: 'restarts the machine',
    source: 'reboot(2)',
    protection: BOTH,
    tries: by('probe', 'reboot'),
    on: [{}, 'EPERM'],
    off: { why: 'the machine would restart' },
  }),
  attack({
    attack: 'takes a lease on a file, for which whoever opens that would wait',
    source: 'fcntl(2) F_SETLEASE, which needs no capability for own files',
    protection: FILTER,
    tries: async (setting: RunOptions) =>
      said(['sh', '-c', 'echo x > /own; /attack lease < /own'], { copyIn: program('attack'), ...setting }),
    on: [{}, 'EPERM'],
    off: [{ seccomp: 'unconfined' }, 'taken'],
  }),
];
