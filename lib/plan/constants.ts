import type { NamespaceType } from './namespace-types.js';

/** The name of all that is ours on the host: of folders of groups, of the runtime directory and of the store. */
export const OWN_NAME = 'nacelle';

/** The folders of root. */
export const SYSTEM_FOLDERS = { runtime: `/run/${OWN_NAME}`, store: `/var/lib/${OWN_NAME}` } as const;

/** CLONE_NEW* of clone(2), by the type's name in /proc/PID/ns. */
export const CLONE: Readonly<Record<NamespaceType, number>> = {
  /** No flag of clone3(2) here: an offset can only be set between unshare(2) and the next process. */
  time: 0x0000_0080,
  mnt: 0x0002_0000,
  cgroup: 0x0200_0000,
  uts: 0x0400_0000,
  ipc: 0x0800_0000,
  user: 0x1000_0000,
  pid: 0x2000_0000,
  net: 0x4000_0000,
};

/** MS_* of mount(2), for propagation. */
export const PROPAGATION = { unbindable: 1 << 17, private: 1 << 18, slave: 1 << 19, shared: 1 << 20 } as const;

/** The PATH of a program that is given none: where docker's images look. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export const SIGKILL = 9;

/** O_* of open(2), on every architecture alike but O_DIRECTORY and O_NOFOLLOW: those are the kernel's for this one. */
export const O_PATH = 0o10000000;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_NOCTTY = 0o400;
export const O_NONBLOCK = 0o4000;

/** Families of addresses, as socket(2) has them. */
export const AF = { inet: 2, inet6: 10 } as const;
/** The types of a socket: SOCK_* of socket(2). */
export const SOCK = { stream: 1, dgram: 2 } as const;

/** The protocol of a netlink(7) socket for links, addresses and routes. */
export const NETLINK_ROUTE = 0;
/** The same for netfilter: nftables and connections. */
export const NETLINK_NETFILTER = 12;

/** The `create` field of the step `attach`. */
export const CREATE = { no: 0, folder: 1, file: 2, noLink: 4 } as const;

export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const S_IFIFO = 0o010000;
