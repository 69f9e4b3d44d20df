import { ordinaryCalls } from './ordinary-calls.js';
import type { Action, Profile, Rule } from './profile.js';

const refuse: Action = { errno: 1 }; // EPERM
const notImplemented: Action = { errno: 38 }; // ENOSYS

/** CLONE_NEW* of clone(2), all but CLONE_NEWTIME. */
const newNamespaces = 0x7e02_0000;
/** A flag of unshare(2) and clone3(2) alone: in clone's flags this bit is part of the signal number. */
const CLONE_NEWTIME = 0x80;

const AF_ALG = 38;
const AF_VSOCK = 40;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
/** The command of fcntl(2). */
const F_SETLEASE = 1024;
/** The first argument of socketcall(2) that makes a socket. */
const SYS_SOCKET = 1;

/** PER_LINUX and PER_LINUX32, with and without UNAME26, and the question for the current one. */
const personalities = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/** New namespaces would give a root user who can reach much more of the kernel. */
const namespaces: readonly Rule[] = [
  { names: ['clone', 'clone3', 'unshare', 'setns'], action: 'allow', when: ['SYS_ADMIN'] },
  { names: ['clone'], args: [{ index: 0, op: 'MASKED_EQ', mask: newNamespaces, value: 0, bits: 32 }], action: 'allow' },
  { names: ['unshare'], args: [{ index: 0, op: 'MASKED_EQ', mask: newNamespaces | CLONE_NEWTIME, value: 0, bits: 32 }], action: 'allow' },
  // clone3's flags are in memory, where a filter can't look. After ENOSYS libraries use clone.
  { names: ['clone3'], action: notImplemented },
];

const mounts: readonly Rule[] = [
  {
    names: ['mount', 'umount', 'umount2', 'pivot_root', 'mount_setattr', 'move_mount', 'open_tree', 'open_tree_attr'],
    action: 'allow',
    when: ['SYS_ADMIN'],
  },
  { names: ['fsopen', 'fsconfig', 'fsmount', 'fspick', 'statmount', 'listmount'], action: 'allow', when: ['SYS_ADMIN'] },
];

/**
 * What belongs to the host: calls that a capability is for. The kernel asks for the capability as well;
 * refusing here keeps a bug of that check, or a user namespace, from mattering.
 */
const administration: readonly Rule[] = [
  {
    names: ['quotactl', 'quotactl_fd', 'swapon', 'swapoff', 'fanotify_init', 'lookup_dcookie'],
    action: 'allow',
    when: ['SYS_ADMIN'],
  },
  {
    names: ['sethostname', 'setdomainname', 'lsm_get_self_attr', 'lsm_set_self_attr', 'lsm_list_modules'],
    action: 'allow',
    when: ['SYS_ADMIN'],
  },
  { names: ['syslog'], action: 'allow', when: ['SYSLOG', 'SYS_ADMIN'] },
  { names: ['bpf'], action: 'allow', when: ['BPF', 'SYS_ADMIN'] },
  { names: ['perf_event_open'], action: 'allow', when: ['PERFMON', 'SYS_ADMIN'] },
  { names: ['init_module', 'finit_module', 'delete_module'], action: 'allow', when: ['SYS_MODULE'] },
  { names: ['reboot'], action: 'allow', when: ['SYS_BOOT'] },
  { names: ['acct'], action: 'allow', when: ['SYS_PACCT'] },
  { names: ['chroot'], action: 'allow', when: ['SYS_CHROOT'] },
  { names: ['iopl', 'ioperm'], action: 'allow', when: ['SYS_RAWIO'] },
  { names: ['vhangup'], action: 'allow', when: ['SYS_TTY_CONFIG'] },
  { names: ['open_by_handle_at'], action: 'allow', when: ['DAC_READ_SEARCH'] },
  // adjtimex and clock_adjtime are ordinary: they read the clock's state too, and the kernel refuses to change it.
  { names: ['settimeofday', 'clock_settime', 'clock_settime64', 'stime'], action: 'allow', when: ['SYS_TIME'] },
  {
    names: ['get_mempolicy', 'set_mempolicy', 'set_mempolicy_home_node', 'mbind', 'migrate_pages', 'move_pages'],
    action: 'allow',
    when: ['SYS_NICE'],
  },
];

/**
 * Calls on other processes. ptrace, process_vm_readv and process_vm_writev are ordinary, as in docker's profile on every kernel from 4.8
 * (ours are newer): since then a tracer can't lead its tracee past the filter, and the kernel's own rules keep a process to those of its
 * user that have no more capabilities.
 */
const processes: readonly Rule[] = [{ names: ['kcmp', 'pidfd_getfd', 'process_madvise'], action: 'allow', when: ['SYS_PTRACE'] }];

/** Calls that are ordinary but for some arguments. */
const byArgument: readonly Rule[] = [
  // A program may set a lease on a file of its user's, even by a read-only mount: whoever opens the file then waits for up to 45 s, on the
  // host too.
  { names: ['fcntl', 'fcntl64'], args: [{ index: 1, op: 'EQ', value: F_SETLEASE, bits: 32 }], action: refuse, unless: ['LEASE'] },
  { names: ['socket'], args: [{ index: 0, op: 'EQ', value: AF_ALG, bits: 32 }], action: refuse },
  { names: ['socket'], args: [{ index: 0, op: 'EQ', value: AF_VSOCK, bits: 32 }], action: refuse },
  // i386's old way: the family is in memory, where a filter can't look, so it would let AF_ALG in. With ENOSYS,
  // libraries that try both use i386's socket(2), there since Linux 4.3. The rest of socketcall needs a socket.
  { names: ['socketcall'], args: [{ index: 0, op: 'EQ', value: SYS_SOCKET, bits: 32 }], action: notImplemented },
  // These put input into the terminal, to be read by whoever has it next.
  { names: ['ioctl'], args: [{ index: 1, op: 'EQ', value: TIOCSTI, bits: 32 }], action: refuse },
  { names: ['ioctl'], args: [{ index: 1, op: 'EQ', value: TIOCLINUX, bits: 32 }], action: refuse },
  { names: ['fcntl', 'fcntl64', 'socket', 'socketcall', 'ioctl'], action: 'allow' },
  // Other personalities turn off address randomisation, or make memory executable.
  ...personalities.map((value): Rule => ({ names: ['personality'], args: [{ index: 0, op: 'EQ', value, bits: 32 }], action: 'allow' })),
];

/**
 * The filter of a container with `seccomp: 'default'`: a list of what is allowed; all else is refused. That are, beside what the rules above
 * leave to capabilities and arguments, the kernel's keyrings, io_uring, userfaultfd and kexec, which are not divided by namespaces or gave
 * exploits time and again, and what is long superseded or gone. A capability that the container has adds what it governs, as docker does.
 */
export const defaultProfile: Profile = {
  defaultAction: refuse,
  newerAction: notImplemented,
  rules: [...namespaces, ...mounts, ...administration, ...processes, ...byArgument, { names: ordinaryCalls, action: 'allow' }],
};
