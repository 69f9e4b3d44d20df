import type { CapabilityName } from '../../../lib/plan/capability-names.js';

/** What the default filter refuses whatever the arguments are, by the capabilities of which one lifts it. */
export const refused: readonly [string, readonly CapabilityName[]][] = [
  ...['mount', 'umount', 'umount2', 'pivot_root', 'mount_setattr', 'move_mount', 'open_tree', 'open_tree_attr'].map(lifted('SYS_ADMIN')),
  ...['statmount', 'listmount'].map(lifted('SYS_ADMIN')),
  ...['fsopen', 'fsconfig', 'fsmount', 'fspick', 'setns', 'quotactl', 'quotactl_fd', 'swapon', 'swapoff', 'fanotify_init'].map(
    lifted('SYS_ADMIN'),
  ),
  ...['lookup_dcookie', 'sethostname', 'setdomainname', 'lsm_get_self_attr', 'lsm_set_self_attr', 'lsm_list_modules'].map(
    lifted('SYS_ADMIN'),
  ),
  ...['syslog'].map(lifted('SYSLOG', 'SYS_ADMIN')),
  ...['bpf'].map(lifted('BPF', 'SYS_ADMIN')),
  ...['perf_event_open'].map(lifted('PERFMON', 'SYS_ADMIN')),
  ...['init_module', 'finit_module', 'delete_module'].map(lifted('SYS_MODULE')),
  ...['reboot'].map(lifted('SYS_BOOT')),
  ...['acct'].map(lifted('SYS_PACCT')),
  ...['iopl', 'ioperm'].map(lifted('SYS_RAWIO')),
  ...['vhangup'].map(lifted('SYS_TTY_CONFIG')),
  ...['open_by_handle_at'].map(lifted('DAC_READ_SEARCH')),
  ...['settimeofday', 'clock_settime', 'clock_settime64', 'stime'].map(lifted('SYS_TIME')),
  ...['get_mempolicy', 'set_mempolicy', 'set_mempolicy_home_node', 'mbind', 'migrate_pages', 'move_pages'].map(lifted('SYS_NICE')),
  ...['kcmp', 'pidfd_getfd', 'process_madvise'].map(lifted('SYS_PTRACE')),
  ...['kexec_load', 'kexec_file_load', 'add_key', 'keyctl', 'request_key', 'userfaultfd'].map(lifted()),
  ...['io_uring_setup', 'io_uring_enter', 'io_uring_register'].map(lifted()),
  ...['uselib', 'ustat', 'sysfs', '_sysctl', 'nfsservctl', 'vm86', 'vm86old', 'create_module', 'get_kernel_syms', 'query_module'].map(
    lifted(),
  ),
  // These are of i386 and its first years, or were never made.
  ...['bdflush', 'break', 'ftime', 'gtty', 'stty', 'idle', 'lock', 'mpx', 'nice', 'prof', 'profil', 'readdir', 'ulimit'].map(lifted()),
  ...['oldfstat', 'oldlstat', 'oldolduname', 'oldstat', 'olduname', 'sgetmask', 'ssetmask'].map(lifted()),
  ...['signal', 'sigaction', 'sigpending', 'sigsuspend'].map(lifted()),
  ...['afs_syscall', 'getpmsg', 'putpmsg', 'security', 'tuxcall', 'vserver'].map(lifted()),
];

function lifted(...by: CapabilityName[]) {
  return (name: string): [string, readonly CapabilityName[]] => [name, by];
}
