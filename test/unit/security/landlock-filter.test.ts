import { describe, expect, it } from 'vitest';
import { type LandlockFilterOptions, landlockProfile, type Sockets } from '../../../lib/security/landlock-filter.js';
import { compileProfile } from '../../../lib/security/seccomp.js';
import { type Abi, syscallTable } from '../../../lib/security/syscalls/tables.js';
import { ALLOW, audit, ENOSYS, EPERM, runFilter, x32Bit } from './interpreter.js';

type Call = readonly [name: string, ...args: number[]];

const usual: LandlockFilterOptions = { sockets: 'none', listens: false, isRoot: false, confinesTruncate: true };
const BASE = { x86_64: 'x86_64', i386: 'x86_64', arm64: 'arm64' } as const;

function verdicts(options: Partial<LandlockFilterOptions>, abi: keyof typeof BASE, [name, ...args]: Call): number[] {
  const filter = compileProfile(landlockProfile({ ...usual, ...options }), { arch: BASE[abi], capabilities: 0n });
  const numbers = syscallTable(abi as Abi).get(name) ?? [];
  if (numbers.length === 0) throw new Error(`${abi} has no ${name}`);
  const ways = abi === 'x86_64' ? numbers.flatMap((nr) => [nr, nr | x32Bit]) : numbers;
  return [...new Set(ways.map((nr) => runFilter(filter, { arch: audit[abi], nr, args }).verdict))];
}

const [UNIX, INET, INET6, NETLINK, PACKET, VSOCK, BLUETOOTH] = [1, 2, 10, 16, 17, 40, 31];
const [STREAM, DGRAM, RAW, SEQPACKET] = [1, 2, 3, 5];
const [CLOEXEC, NONBLOCK, TCP, UDP, MPTCP, SCTP] = [0o2000000, 0o4000, 6, 17, 262, 132];

describe('sockets', () => {
  const families: readonly [Sockets, readonly number[]][] = [
    ['none', []],
    ['tcp', [INET, INET6]],
    ['host', [INET, INET6, NETLINK]],
  ];
  it.each(families)("of '%s' are of the families that it needs alone", (sockets, allowed) => {
    for (const abi of ['x86_64', 'arm64', 'i386'] as const) {
      for (const family of [UNIX, INET, INET6, NETLINK, PACKET, VSOCK, BLUETOOTH]) {
        expect(verdicts({ sockets }, abi, ['socket', family, STREAM | CLOEXEC | NONBLOCK, 0])).toEqual([
          allowed.includes(family) ? ALLOW : EPERM,
        ]);
      }
    }
  });

  it("of 'tcp' are TCP, and nothing that comes near it", () => {
    const refused = [
      [DGRAM, 0],
      [DGRAM, UDP],
      [RAW, TCP],
      [STREAM, MPTCP],
      [STREAM, SCTP],
      [SEQPACKET, SCTP],
      [SEQPACKET, 0],
    ] as const;
    for (const family of [INET, INET6]) {
      for (const protocol of [0, TCP])
        expect(verdicts({ sockets: 'tcp' }, 'x86_64', ['socket', family, STREAM | CLOEXEC, protocol])).toEqual([ALLOW]);
      for (const [type, protocol] of refused)
        expect(verdicts({ sockets: 'tcp' }, 'x86_64', ['socket', family, type, protocol])).toEqual([EPERM]);
    }
  });

  it("of 'tcp' don't connect by sending", () => {
    const [FAST_OPEN, NO_SIGNAL] = [0x2000_0000, 0x4000];
    const calls = (flags: number): Call[] => [
      ['sendto', 3, 0, 0, flags],
      ['sendmsg', 3, 0, flags],
      ['sendmmsg', 3, 0, 0, flags],
    ];
    for (const call of calls(FAST_OPEN | NO_SIGNAL)) expect(verdicts({ sockets: 'tcp' }, 'x86_64', call)).toEqual([EPERM]);
    for (const call of calls(NO_SIGNAL)) expect(verdicts({ sockets: 'tcp' }, 'x86_64', call)).toEqual([ALLOW]);
    expect(verdicts({ sockets: 'tcp' }, 'i386', ['socketcall', 16])).toEqual([ENOSYS]);
  });

  it("of 'tcp' listen only where there is a port for that", () => {
    expect(verdicts({ sockets: 'tcp' }, 'x86_64', ['listen', 3, 1])).toEqual([EPERM]);
    expect(verdicts({ sockets: 'tcp', listens: true }, 'x86_64', ['listen', 3, 1])).toEqual([ALLOW]);
    expect(verdicts({ sockets: 'host' }, 'x86_64', ['listen', 3, 1])).toEqual([ALLOW]);
  });

  it.each(['none', 'tcp', 'host'] as const)("of '%s' come in pairs that can't be connected elsewhere", (sockets) => {
    for (const type of [STREAM, SEQPACKET]) expect(verdicts({ sockets }, 'x86_64', ['socketpair', UNIX, type | CLOEXEC])).toEqual([ALLOW]);
    expect(verdicts({ sockets }, 'x86_64', ['socketpair', UNIX, DGRAM | CLOEXEC])).toEqual([EPERM]);
    for (const made of [1, 8]) expect(verdicts({ sockets }, 'i386', ['socketcall', made])).toEqual([ENOSYS]);
  });
});

describe('other calls', () => {
  it.each(['shmget', 'shmat', 'semget', 'semop', 'msgget', 'msgrcv', 'mq_open', 'io_uring_setup'])('%s is refused', (name) => {
    for (const abi of ['x86_64', 'arm64'] as const) expect(verdicts({}, abi, [name])).toEqual([EPERM]);
  });

  it('limits are those of the program itself', () => {
    expect(verdicts({}, 'x86_64', ['prlimit64', 0, 4])).toEqual([ALLOW]);
    expect(verdicts({}, 'x86_64', ['prlimit64', 4321, 4])).toEqual([EPERM]);
  });

  it.each(['chmod', 'fchmod', 'fchmodat', 'fchmodat2', 'fchownat', 'lsetxattr', 'setxattrat', 'utimensat', 'removexattr'])(
    '%s is refused to root, who owns the files of the host',
    (name) => {
      expect(verdicts({ isRoot: true }, 'x86_64', [name])).toEqual([EPERM]);
      expect(verdicts({ isRoot: false }, 'x86_64', [name])).toEqual([ALLOW]);
    },
  );

  it('empty no file where Landlock does not deny that', () => {
    const [RDWR, TRUNC, CREAT] = [2, 0o1000, 0o100];
    const before = { confinesTruncate: false };
    for (const name of ['truncate']) expect(verdicts(before, 'x86_64', [name])).toEqual([EPERM]);
    expect(verdicts(before, 'i386', ['truncate64'])).toEqual([EPERM]);
    expect(verdicts(before, 'x86_64', ['openat', -100, 0, TRUNC | CREAT])).toEqual([EPERM]);
    expect(verdicts(before, 'x86_64', ['open', 0, TRUNC])).toEqual([EPERM]);
    expect(verdicts(before, 'x86_64', ['openat', -100, 0, TRUNC | RDWR])).toEqual([ALLOW]);
    expect(verdicts(before, 'x86_64', ['openat', -100, 0, 0])).toEqual([ALLOW]);
    expect(verdicts(before, 'x86_64', ['openat2'])).toEqual([ENOSYS]);
    expect(verdicts({}, 'x86_64', ['truncate'])).toEqual([ALLOW]);
  });
});
