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
  { names: ['clone'], args: [{ index: 0, op: 'MASKED_EQ', mask: newNamespaces, value: 0, bits: 32 }], action: 'allow' },
  { names: ['clone'], action: refuse, unless: ['SYS_ADMIN'] },
  // clone3's flags are in memory, where a filter can't look. After ENOSYS libraries use clone.
  { names: ['clone3'], action: notImplemented, unless: ['SYS_ADMIN'] },
  { names: ['unshare'], args: [{ index: 0, op: 'MASKED_EQ', mask: newNamespaces | CLONE_NEWTIME, value: 0, bits: 32 }], action: 'allow' },
  { names: ['unshare', 'setns'], action: refuse, unless: ['SYS_ADMIN'] },
];

const mounts: readonly Rule[] = [
  {
    names: ['mount', 'umount', 'umount2', 'pivot_root', 'mount_setattr', 'move_mount', 'open_tree', 'open_tree_attr'],
    action: refuse,
    unless: ['SYS_ADMIN'],
  },
  { names: ['fsopen', 'fsconfig', 'fsmount', 'fspick'], action: refuse, unless: ['SYS_ADMIN'] },
];

/**
 * What belongs to the host: calls that no container needs, or that a capability is for. The kernel asks for the capability as well;
 * refusing here keeps a bug of that check, or a user namespace, from mattering.
 */
const administration: readonly Rule[] = [
  { names: ['quotactl', 'quotactl_fd', 'swapon', 'swapoff', 'fanotify_init', 'lookup_dcookie'], action: refuse, unless: ['SYS_ADMIN'] },
  {
    names: ['sethostname', 'setdomainname', 'lsm_get_self_attr', 'lsm_set_self_attr', 'lsm_list_modules'],
    action: refuse,
    unless: ['SYS_ADMIN'],
  },
  { names: ['syslog'], action: refuse, unless: ['SYSLOG', 'SYS_ADMIN'] },
  { names: ['bpf'], action: refuse, unless: ['BPF', 'SYS_ADMIN'] },
  { names: ['perf_event_open'], action: refuse, unless: ['PERFMON', 'SYS_ADMIN'] },
  { names: ['init_module', 'finit_module', 'delete_module'], action: refuse, unless: ['SYS_MODULE'] },
  { names: ['reboot'], action: refuse, unless: ['SYS_BOOT'] },
  { names: ['acct'], action: refuse, unless: ['SYS_PACCT'] },
  { names: ['chroot'], action: refuse, unless: ['SYS_CHROOT'] },
  { names: ['iopl', 'ioperm'], action: refuse, unless: ['SYS_RAWIO'] },
  { names: ['vhangup'], action: refuse, unless: ['SYS_TTY_CONFIG'] },
  { names: ['open_by_handle_at'], action: refuse, unless: ['DAC_READ_SEARCH'] },
  // adjtimex and clock_adjtime stay: they read the clock's state too, and the kernel refuses to change it.
  { names: ['settimeofday', 'clock_settime', 'clock_settime64', 'stime'], action: refuse, unless: ['SYS_TIME'] },
  {
    names: ['get_mempolicy', 'set_mempolicy', 'set_mempolicy_home_node', 'mbind', 'migrate_pages', 'move_pages'],
    action: refuse,
    unless: ['SYS_NICE'],
  },
  { names: ['kexec_load', 'kexec_file_load'], action: refuse },
];

/**
 * Calls on other processes. ptrace, process_vm_readv and process_vm_writev are allowed, as in docker's profile on every kernel from 4.8
 * (ours are newer): since then a tracer can't lead its tracee past the filter, and the kernel's own rules keep a process to those of its
 * user that have no more capabilities.
 */
const processes: readonly Rule[] = [
  { names: ['kcmp', 'pidfd_getfd', 'process_madvise'], action: refuse, unless: ['SYS_PTRACE'] },
  // A program may set a lease on a file of its user's, even by a read-only mount: whoever opens the file then waits for up to 45 s, on the
  // host too.
  { names: ['fcntl', 'fcntl64'], args: [{ index: 1, op: 'EQ', value: F_SETLEASE, bits: 32 }], action: refuse, unless: ['LEASE'] },
];

/** Parts of the kernel that are not divided by namespaces, or that gave exploits time and again. */
const risky: readonly Rule[] = [
  { names: ['add_key', 'keyctl', 'request_key'], action: refuse },
  { names: ['io_uring_setup', 'io_uring_enter', 'io_uring_register'], action: refuse },
  { names: ['userfaultfd'], action: refuse },
  { names: ['socket'], args: [{ index: 0, op: 'EQ', value: AF_ALG, bits: 32 }], action: refuse },
  { names: ['socket'], args: [{ index: 0, op: 'EQ', value: AF_VSOCK, bits: 32 }], action: refuse },
  // i386's old way: the family is in memory, where a filter can't look, so it would let AF_ALG in. With ENOSYS,
  // libraries that try both use i386's socket(2), there since Linux 4.3. The rest of socketcall needs a socket.
  { names: ['socketcall'], args: [{ index: 0, op: 'EQ', value: SYS_SOCKET, bits: 32 }], action: notImplemented },
  // These put input into the terminal, to be read by whoever has it next.
  { names: ['ioctl'], args: [{ index: 1, op: 'EQ', value: TIOCSTI, bits: 32 }], action: refuse },
  { names: ['ioctl'], args: [{ index: 1, op: 'EQ', value: TIOCLINUX, bits: 32 }], action: refuse },
  // Other personalities turn off address randomisation, or make memory executable.
  ...personalities.map((value): Rule => ({ names: ['personality'], args: [{ index: 0, op: 'EQ', value, bits: 32 }], action: 'allow' })),
  { names: ['personality'], action: refuse },
];

/** Long superseded, or gone from the kernel. */
const obsolete: readonly Rule[] = [
  { names: ['uselib', 'ustat', 'sysfs', '_sysctl', 'nfsservctl', 'vm86', 'vm86old'], action: refuse },
  { names: ['create_module', 'get_kernel_syms', 'query_module'], action: refuse },
];

/**
 * The filter of a container with `seccomp: 'default'`: a list of what is refused; all else is allowed, calls of
 * later kernels too. A capability that the container has takes out the rules about what it governs, as docker does.
 */
export const defaultProfile: Profile = {
  defaultAction: 'allow',
  rules: [...namespaces, ...mounts, ...administration, ...processes, ...risky, ...obsolete],
};
