import { rounds } from '../fixtures/rounds.js';
import type { Place } from './victim.js';

/** No descriptors or no memory: what every call that opens something may say. */
const opens = ['EMFILE', 'ENFILE', 'ENOMEM'];

/**
 * What a call may say that is right and is made at a good time: the machine lacks something, its disk fails, a signal comes. Calls that
 * can't fail so are not here: those that look at the process itself, those that change what every process may change of itself, and signals
 * to a child, whose user namespace is the sender's or one below.
 */
const errnos: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(
    ['open', 'openat', 'openat2', 'open_tree', 'fsopen', 'fsmount', 'memfd_create', 'signalfd4', 'pidfd_open', 'epoll_create1'].map(
      (call) => [call, opens],
    ),
  ),
  ...Object.fromEntries(
    ['timerfd_create', 'eventfd2', 'inotify_init1', 'pipe2', 'socket', 'socketpair', 'accept4', 'dup', 'fspick'].map((call) => [
      call,
      opens,
    ]),
  ),
  openat: [...opens, 'EIO', 'ENOSPC'],
  dup2: ['EMFILE', 'EINTR'],
  dup3: ['EMFILE', 'EINTR'],
  fcntl: ['EMFILE', 'ENOLCK'],
  clone: ['EAGAIN', 'ENOMEM'],
  clone3: ['EAGAIN', 'ENOMEM', 'EBUSY'],
  fork: ['EAGAIN', 'ENOMEM'],
  vfork: ['EAGAIN', 'ENOMEM'],
  execve: ['ENOMEM', 'EMFILE', 'EIO'],
  execveat: ['ENOMEM', 'EIO'],
  mmap: ['ENOMEM'],
  mprotect: ['ENOMEM'],
  brk: ['ENOMEM'],
  read: ['EIO'],
  pread64: ['EIO'],
  readv: ['EIO', 'EINTR'],
  write: ['EIO', 'ENOSPC', 'EDQUOT'],
  pwrite64: ['EIO', 'ENOSPC'],
  writev: ['EIO', 'ENOSPC'],
  sendfile: ['EIO', 'ENOMEM'],
  copy_file_range: ['EIO', 'ENOSPC'],
  ftruncate: ['EIO', 'ENOSPC'],
  fallocate: ['ENOSPC'],
  fsync: ['EIO', 'ENOSPC'],
  mkdir: ['ENOSPC', 'EIO', 'ENOMEM', 'EDQUOT'],
  mkdirat: ['ENOSPC', 'EIO', 'ENOMEM', 'EDQUOT'],
  mknodat: ['ENOSPC', 'EIO'],
  symlinkat: ['ENOSPC', 'EIO'],
  link: ['ENOSPC', 'EMLINK'],
  linkat: ['ENOSPC', 'EMLINK'],
  rename: ['ENOSPC', 'EIO'],
  renameat: ['ENOSPC', 'EIO'],
  unlink: ['EIO', 'EBUSY'],
  unlinkat: ['EIO', 'EBUSY'],
  rmdir: ['EIO', 'EBUSY'],
  chmod: ['EIO', 'EROFS'],
  fchmod: ['EIO', 'EROFS'],
  fchmodat: ['EIO', 'EROFS'],
  chown: ['EIO', 'EPERM'],
  fchown: ['EIO', 'EPERM'],
  fchownat: ['EIO', 'EPERM'],
  lchown: ['EIO', 'EPERM'],
  utimensat: ['EIO', 'EPERM'],
  lsetxattr: ['ENOSPC', 'EPERM'],
  fsetxattr: ['ENOSPC', 'EPERM'],
  setxattr: ['ENOSPC', 'EPERM'],
  getdents64: ['EIO', 'ENOMEM'],
  readlinkat: ['EIO', 'ENOMEM'],
  readlink: ['EIO', 'ENOMEM'],
  newfstatat: ['EIO', 'ENOMEM'],
  statx: ['EIO', 'ENOMEM'],
  fstatfs: ['EIO'],
  statfs: ['EIO'],
  chdir: ['EIO', 'ENOMEM'],
  fchdir: ['EIO'],
  mount: ['ENOMEM', 'EBUSY', 'EPERM'],
  umount2: ['ENOMEM', 'EBUSY', 'EPERM'],
  move_mount: ['ENOMEM', 'EBUSY'],
  mount_setattr: ['ENOMEM', 'EPERM'],
  fsconfig: ['ENOMEM', 'EBUSY', 'EPERM'],
  pivot_root: ['ENOMEM', 'EBUSY'],
  unshare: ['ENOMEM', 'ENOSPC', 'EPERM'],
  setns: ['ENOMEM', 'EPERM'],
  sethostname: ['EPERM'],
  setdomainname: ['EPERM'],
  setgroups: ['ENOMEM', 'EPERM'],
  setresuid: ['EAGAIN', 'EPERM'],
  setresgid: ['EAGAIN', 'EPERM'],
  capset: ['EPERM'],
  prctl: ['EPERM'],
  seccomp: ['ENOMEM', 'EBUSY'],
  bpf: ['ENOMEM', 'EPERM'],
  keyctl: ['EDQUOT', 'ENOMEM'],
  prlimit64: ['EPERM'],
  setsid: ['EPERM'],
  sched_setscheduler: ['EPERM'],
  ioctl: ['EIO', 'ENOMEM'],
  bind: ['ENOMEM', 'EADDRINUSE'],
  listen: ['EADDRINUSE'],
  connect: ['ECONNREFUSED', 'EAGAIN', 'EINTR'],
  setsockopt: ['ENOMEM', 'ENOBUFS'],
  getsockopt: ['ENOBUFS'],
  sendmsg: ['ENOMEM', 'ENOBUFS'],
  sendto: ['ENOMEM', 'ENOBUFS'],
  recvmsg: ['ENOMEM', 'EINTR', 'EIO'],
  recvfrom: ['ENOMEM', 'EINTR', 'EIO'],
  epoll_ctl: ['ENOMEM', 'ENOSPC'],
  epoll_wait: ['EINTR'],
  epoll_pwait: ['EINTR'],
  poll: ['EINTR', 'ENOMEM'],
  ppoll: ['EINTR', 'ENOMEM'],
  nanosleep: ['EINTR'],
  clock_nanosleep: ['EINTR'],
  timerfd_settime: ['ENOMEM'],
  inotify_add_watch: ['ENOSPC', 'ENOMEM'],
  landlock_create_ruleset: ['ENOMEM', 'EMFILE'],
  landlock_add_rule: ['ENOMEM'],
  landlock_restrict_self: ['ENOMEM', 'E2BIG'],
  getrandom: ['EINTR', 'EAGAIN'],
};

/** Of Node itself only what the library's own calls are: libuv and V8 abort, by their own word, when others fail. */
const ofNode = [
  'openat',
  'openat2',
  'open',
  'read',
  'readv',
  'getdents64',
  'write',
  'mkdir',
  'unlink',
  'rename',
  'rmdir',
  'link',
  'statx',
  'sendmsg',
  'socketpair',
  'pipe2',
  'clone',
  'vfork',
  'fcntl',
  'memfd_create',
  'chmod',
  'readlink',
];

/** Every fault that can hit a place. */
export function faultsAt({ who, call }: Place): readonly string[] {
  return who === 'node' && !ofNode.includes(call) ? [] : (errnos[call] ?? []);
}

/** Some of all, spread over them: the first at each run of the tests, all of them with NACELLE_SOAK=1. */
export function spread<T>(all: readonly T[], usual: number, seed: number): T[] {
  const count = rounds(Math.min(usual, all.length), all.length);
  const step = all.length / count;
  const offset = seed % Math.max(1, Math.floor(step));
  return Array.from({ length: count }, (_, i) => all[Math.min(all.length - 1, Math.floor(i * step) + offset)] as T);
}
