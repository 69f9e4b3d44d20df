import type { Action, Profile, Rule } from './profile.js';

const refuse: Action = { errno: 1 }; // EPERM
const notImplemented: Action = { errno: 38 }; // ENOSYS

const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
/** The type without SOCK_CLOEXEC and SOCK_NONBLOCK. */
const SOCK_TYPE_MASK = 0xf;
const IPPROTO_TCP = 6;
const MSG_FASTOPEN = 0x2000_0000;
/** The first argument of socketcall(2), i386's one call for all of sockets. */
const SYS_SOCKET = 1;
const SYS_SOCKETPAIR = 8;
const O_ACCMODE = 3;
const O_TRUNC = 0o1000;

/** What a program may make sockets for: nothing, TCP on the ports that Landlock allows, or the network as it is. */
export type Sockets = 'none' | 'tcp' | 'host';

/** For what the filter stands in. */
export interface LandlockFilterOptions {
  readonly sockets: Sockets;
  /** With 'tcp': there is a port to listen on. listen(2) without bind(2) takes any free one, which Landlock does not deny. */
  readonly listens: boolean;
  /** The program's user owns the host's files, and Landlock has no right for their modes, owners, times and attributes. */
  readonly isRoot: boolean;
  /** Landlock denies truncation (ABI 3). */
  readonly confinesTruncate: boolean;
}

/**
 * What Landlock can't confine, as rules for system calls: sockets but those of TCP, those of AF_UNIX above all, since connect(2) to the socket
 * of a daemon is no access to a file for it; System V IPC and POSIX queues; and the limits of other processes of the user.
 */
export function landlockProfile({ sockets, listens, isRoot, confinesTruncate }: LandlockFilterOptions): Profile {
  return {
    defaultAction: 'allow',
    rules: [
      ...socketRules(sockets),
      ...(sockets === 'tcp' && !listens ? noListening : []),
      ...others,
      ...(isRoot ? metadata : []),
      ...(confinesTruncate ? [] : truncation),
    ],
  };
}

function family(value: number): NonNullable<Rule['args']>[number] {
  return { index: 0, op: 'EQ', value, bits: 32 };
}

function ofType(value: number): NonNullable<Rule['args']>[number] {
  return { index: 1, op: 'MASKED_EQ', mask: SOCK_TYPE_MASK, value, bits: 32 };
}

function socketRules(sockets: Sockets): Rule[] {
  const families = sockets === 'none' ? [] : [AF_INET, AF_INET6];
  const protocols = [0, IPPROTO_TCP].map((value): NonNullable<Rule['args']>[number] => ({ index: 2, op: 'EQ', value, bits: 32 }));
  return [
    ...families.flatMap((value): Rule[] =>
      sockets === 'host'
        ? [{ names: ['socket'], args: [family(value)], action: 'allow' }]
        : // MPTCP is none of the protocols that Landlock knows as TCP
          protocols.map((protocol) => ({ names: ['socket'], args: [family(value), ofType(SOCK_STREAM), protocol], action: 'allow' })),
    ),
    // resolvers ask by it which addresses the host has
    ...(sockets === 'host' ? [{ names: ['socket'], args: [family(AF_NETLINK)], action: 'allow' } as const] : []),
    { names: ['socket'], action: refuse },
    // a pair of datagram sockets can be connected to another address afterwards, which one of streams can't
    ...[SOCK_STREAM, SOCK_SEQPACKET].map((type): Rule => ({ names: ['socketpair'], args: [ofType(type)], action: 'allow' })),
    { names: ['socketpair'], action: refuse },
    // the arguments are in memory, where a filter can't look
    ...[SYS_SOCKET, SYS_SOCKETPAIR].map((value): Rule => ({ names: ['socketcall'], args: [family(value)], action: notImplemented })),
    ...(sockets === 'tcp' ? fastOpen : []),
  ];
}

const noListening: readonly Rule[] = [{ names: ['listen'], action: refuse }];

/** TCP Fast Open connects by sending, which Landlock does not see. */
const fastOpen: readonly Rule[] = [
  ...(
    [
      ['sendto', 3],
      ['sendmsg', 2],
      ['sendmmsg', 3],
    ] as const
  ).map(
    ([name, index]): Rule => ({
      names: [name],
      args: [{ index, op: 'MASKED_EQ', mask: MSG_FASTOPEN, value: MSG_FASTOPEN, bits: 32 }],
      action: refuse,
    }),
  ),
  { names: ['socketcall'], action: notImplemented },
];

const others: readonly Rule[] = [
  {
    names: ['shmget', 'shmat', 'shmctl', 'semget', 'semctl', 'semop', 'semtimedop', 'msgget', 'msgsnd', 'msgrcv', 'msgctl'],
    action: refuse,
  },
  { names: ['ipc', 'mq_open', 'mq_unlink'], action: refuse },
  // of the program itself alone: a limit of CPU time on another process of the user would kill that
  { names: ['prlimit64'], args: [{ index: 0, op: 'EQ', value: 0, bits: 32 }], action: 'allow' },
  { names: ['prlimit64'], action: refuse },
  // its operations are none of the calls that a filter sees
  { names: ['io_uring_setup', 'io_uring_enter', 'io_uring_register'], action: refuse },
];

const metadata: readonly Rule[] = [
  { names: ['chmod', 'fchmod', 'fchmodat', 'fchmodat2', 'chown', 'fchown', 'lchown', 'fchownat'], action: refuse },
  { names: ['chown32', 'fchown32', 'lchown32'], action: refuse },
  { names: ['setxattr', 'lsetxattr', 'fsetxattr', 'setxattrat', 'removexattr', 'lremovexattr', 'fremovexattr'], action: refuse },
  { names: ['removexattrat', 'utime', 'utimes', 'futimesat', 'utimensat', 'utimensat_time64'], action: refuse },
];

/** Before ABI 3: a file that can be read, or is not even that, could be emptied. */
const truncation: readonly Rule[] = [
  { names: ['truncate', 'truncate64'], action: refuse },
  ...(
    [
      ['open', 1],
      ['openat', 2],
    ] as const
  ).map(
    ([name, index]): Rule => ({
      names: [name],
      args: [{ index, op: 'MASKED_EQ', mask: O_ACCMODE | O_TRUNC, value: O_TRUNC, bits: 32 }],
      action: refuse,
    }),
  ),
  { names: ['openat2'], action: notImplemented },
];
