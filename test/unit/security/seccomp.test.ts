import { describe, expect, it } from 'vitest';
import { allCapabilities, capabilityMask } from '../../../lib/plan/capability-names.js';
import { defaultCapabilities } from '../../../lib/security/capabilities.js';
import { defaultProfile } from '../../../lib/security/default-profile.js';
import { ordinaryCalls } from '../../../lib/security/ordinary-calls.js';
import { readyFilters } from '../../../lib/security/ready-filters.js';
import { compileDefault, compileProfile, filterKey } from '../../../lib/security/seccomp.js';
import { type Abi, syscallTable } from '../../../lib/security/syscalls/tables.js';
import { ALLOW, audit, ENOSYS, EPERM, errno, KILL_PROCESS, runFilter, x32Bit } from './interpreter.js';
import { refused } from './refused.js';

const x86 = compileDefault({ arch: 'x86_64', capabilities: defaultCapabilities });
const arm64 = compileDefault({ arch: 'arm64', capabilities: defaultCapabilities });

/** The verdict on a call by name, in its native form. */
function verdict(abi: Abi, name: string, args: readonly (number | bigint)[] = [], filter = abi === 'arm64' ? arm64 : x86): number {
  const nr = syscallTable(abi).get(name)?.[0];
  if (nr === undefined) throw new Error(`${abi} has no ${name}`);
  return runFilter(filter, { arch: audit[abi], nr, args }).verdict;
}

const conditional = ['clone', 'clone3', 'unshare', 'socket', 'socketcall', 'ioctl', 'personality', 'chroot', 'fcntl', 'fcntl64'];
const abis = ['x86_64', 'i386', 'arm64'] as const;

describe('the default filter', () => {
  it.each(refused)('refuses %s, unless the container has %j', (name, by) => {
    const present = abis.filter((abi) => syscallTable(abi).has(name));
    expect(present).not.toEqual([]);
    for (const abi of present) {
      const arch = abi === 'arm64' ? 'arm64' : 'x86_64';
      const withAllBut = compileDefault({ arch, capabilities: allCapabilities & ~capabilityMask(...by) });
      for (const nr of syscallTable(abi).get(name) ?? []) {
        const call = { arch: audit[abi], nr };
        expect(runFilter(abi === 'arm64' ? arm64 : x86, call).verdict).toBe(EPERM);
        expect(runFilter(withAllBut, call).verdict).toBe(EPERM);
        for (const capability of by) {
          const filter = compileDefault({ arch, capabilities: defaultCapabilities | capabilityMask(capability) });
          expect(runFilter(filter, call).verdict).toBe(ALLOW);
        }
      }
    }
  });

  it.each(abis)('allows every other call of %s', (abi) => {
    const special = new Set([...refused.map(([name]) => name), ...conditional]);
    const others = [...syscallTable(abi)].filter(([name]) => !special.has(name));
    expect(others.length).toBeGreaterThan(230);
    for (const [name, numbers] of others) {
      for (const nr of numbers)
        expect([name, runFilter(abi === 'arm64' ? arm64 : x86, { arch: audit[abi], nr }).verdict]).toEqual([name, ALLOW]);
    }
  });

  it.each(abis)('says ENOSYS to calls of %s that are newer than the list, as a kernel without them does', (abi) => {
    for (const nr of [470, 471, 511, 1000, 0x3fff_ffff])
      expect(runFilter(abi === 'arm64' ? arm64 : x86, { arch: audit[abi], nr }).verdict).toBe(ENOSYS);
    // A number that no call has, between others.
    expect(runFilter(x86, { arch: audit.x86_64, nr: 400 }).verdict).toBe(EPERM);
  });

  it('names no call in vain, and the lists here are the whole profile', () => {
    const liftable = refused.filter(([, by]) => by.length > 0).map(([name]) => name);
    expect(defaultProfile.rules.flatMap((rule) => rule.names).filter((name) => !abis.some((abi) => syscallTable(abi).has(name)))).toEqual(
      [],
    );
    expect(new Set(defaultProfile.rules.flatMap((rule) => rule.names))).toEqual(new Set([...liftable, ...conditional, ...ordinaryCalls]));
    expect(ordinaryCalls.filter((name) => conditional.includes(name) || refused.some(([other]) => other === name))).toEqual([]);
    expect(new Set(ordinaryCalls).size).toBe(ordinaryCalls.length);
  });

  it.each(abis)('refuses leases on %s, and no other command of fcntl', (abi) => {
    const leases = compileDefault({ arch: abi === 'arm64' ? 'arm64' : 'x86_64', capabilities: capabilityMask('LEASE') });
    for (const name of ['fcntl', ...(abi === 'i386' ? ['fcntl64'] : [])]) {
      for (const command of [1024, (1n << 32n) | 1024n]) {
        expect(verdict(abi, name, [0, command])).toBe(EPERM);
        expect(verdict(abi, name, [0, command], leases)).toBe(ALLOW);
      }
      for (const command of [0, 1, 4, 7, 1023, 1025, 1026, 1030]) expect(verdict(abi, name, [1024, command])).toBe(ALLOW);
    }
  });

  const CLONE_NEW = {
    NS: 0x0002_0000,
    CGROUP: 0x0200_0000,
    UTS: 0x0400_0000,
    IPC: 0x0800_0000,
    USER: 0x1000_0000,
    PID: 0x2000_0000,
    NET: 0x4000_0000,
  };
  const threadFlags = 0x003d_0f00; // What pthread_create passes.

  it.each(abis)('refuses clone and unshare with any namespace flag on %s', (abi) => {
    const admin = compileDefault({ arch: abi === 'arm64' ? 'arm64' : 'x86_64', capabilities: capabilityMask('SYS_ADMIN') });
    for (const flag of Object.values(CLONE_NEW)) {
      for (const flags of [flag, flag | 17, flag | threadFlags, BigInt(flag) | (1n << 63n)]) {
        expect(verdict(abi, 'clone', [flags])).toBe(EPERM);
        expect(verdict(abi, 'unshare', [flags])).toBe(EPERM);
        expect(verdict(abi, 'clone', [flags], admin)).toBe(ALLOW);
        expect(verdict(abi, 'unshare', [flags], admin)).toBe(ALLOW);
      }
    }
    expect(verdict(abi, 'unshare', [0x80])).toBe(EPERM); // CLONE_NEWTIME
    for (const flags of [17, threadFlags, 0x4111, 0x100_0011]) expect(verdict(abi, 'clone', [flags])).toBe(ALLOW);
    expect(verdict(abi, 'unshare', [0x200 | 0x400])).toBe(ALLOW); // CLONE_FS | CLONE_FILES
    expect(verdict(abi, 'clone3')).toBe(ENOSYS);
    expect(verdict(abi, 'clone3', [], admin)).toBe(ALLOW);
  });

  it.each(abis)('refuses AF_ALG and AF_VSOCK on %s, whatever the high half of the register holds', (abi) => {
    for (const family of [38, 40]) {
      expect(verdict(abi, 'socket', [family, 5, 0])).toBe(EPERM);
      expect(verdict(abi, 'socket', [BigInt(family) | (0xdead_beefn << 32n)])).toBe(EPERM);
    }
    for (const family of [1, 2, 10, 16, 37, 39, 41]) expect(verdict(abi, 'socket', [family])).toBe(ALLOW);
  });

  it.each(abis)('refuses TIOCSTI and TIOCLINUX on %s, by the low half of the register', (abi) => {
    for (const request of [0x5412, 0x541c]) {
      expect(verdict(abi, 'ioctl', [0, request])).toBe(EPERM);
      expect(verdict(abi, 'ioctl', [0, BigInt(request) | (1n << 32n)])).toBe(EPERM);
      expect(verdict(abi, 'ioctl', [request, 0x5401])).toBe(ALLOW);
    }
    for (const request of [0x5401, 0x5413, 0x541b, 0x541d]) expect(verdict(abi, 'ioctl', [0, request])).toBe(ALLOW);
  });

  it.each(abis)('allows the personalities that docker allows on %s', (abi) => {
    for (const persona of [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff, -1]) expect(verdict(abi, 'personality', [persona])).toBe(ALLOW);
    for (const persona of [1, 0x4_0000, 0x40_0000, 0x2_0001, 0xffff_fffe]) expect(verdict(abi, 'personality', [persona])).toBe(EPERM);
  });

  it('makes i386 use socket(2), whose family it can see', () => {
    expect(verdict('i386', 'socketcall', [1])).toBe(ENOSYS);
    for (const call of [2, 3, 8, 18]) expect(verdict('i386', 'socketcall', [call])).toBe(ALLOW);
  });

  it('allows chroot with its capability alone, which is one of the default', () => {
    expect(verdict('x86_64', 'chroot')).toBe(ALLOW);
    expect(verdict('x86_64', 'chroot', [], compileDefault({ arch: 'x86_64', capabilities: 0n }))).toBe(EPERM);
  });

  it('allows ptrace and process_vm_* as docker does', () => {
    for (const name of ['ptrace', 'process_vm_readv', 'process_vm_writev']) expect(verdict('x86_64', name)).toBe(ALLOW);
  });

  it('gives a number the same verdict with the x32 bit as without', () => {
    for (let nr = 0; nr < 600; nr++) {
      for (const args of [[], [0x1000_0000, 0x5412], [38]]) {
        const [plain, x32] = [nr, nr | x32Bit].map((number) => runFilter(x86, { arch: audit.x86_64, nr: number, args }).verdict);
        expect([nr, x32]).toEqual([nr, plain]);
      }
    }
    // x32's own ioctl, kexec_load and move_pages.
    expect(runFilter(x86, { arch: audit.x86_64, nr: x32Bit | 514, args: [0, 0x5412] }).verdict).toBe(EPERM);
    expect(runFilter(x86, { arch: audit.x86_64, nr: x32Bit | 528 }).verdict).toBe(EPERM);
    expect(runFilter(x86, { arch: audit.x86_64, nr: x32Bit | 533 }).verdict).toBe(EPERM);
  });

  it('kills a process that comes through any other ABI', () => {
    for (const arch of [audit.arm64, audit.arm, 0, 0xc000_003f]) expect(runFilter(x86, { arch, nr: 0 }).verdict).toBe(KILL_PROCESS);
    for (const arch of [audit.x86_64, audit.i386, audit.arm]) expect(runFilter(arm64, { arch, nr: 0 }).verdict).toBe(KILL_PROCESS);
  });

  it('is small, and finds the common calls early', () => {
    expect(x86.byteLength / 8).toBeLessThan(190);
    // libseccomp's tree for docker's rules takes 21
    expect(runFilter(x86, { arch: audit.x86_64, nr: 135, args: [0xffff_ffff] }).steps).toBeLessThan(21);
    for (const name of ['read', 'write', 'openat', 'close', 'fstat', 'mmap', 'futex', 'epoll_wait', 'newfstatat', 'brk']) {
      const nr = syscallTable('x86_64').get(name)?.[0] ?? -1;
      expect([name, runFilter(x86, { arch: audit.x86_64, nr }).steps <= 16]).toEqual([name, true]);
    }
  });

  it('is compiled once for capabilities that make no difference', () => {
    const more = compileDefault({ arch: 'x86_64', capabilities: defaultCapabilities | capabilityMask('NET_RAW', 'MKNOD') });
    expect(more).toBe(x86);
  });
});

describe.each(['x86_64', 'arm64'] as const)('the filters that are compiled ahead, for %s', (arch) => {
  it.each([
    ['the default capabilities', defaultCapabilities],
    ['none', 0n],
  ])('are what is compiled: with %s', (_, capabilities) => {
    const subject = { arch, capabilities };
    expect([...readyFilters.keys()]).toContain(filterKey(subject));
    expect(compileDefault(subject)).toEqual(compileProfile(defaultProfile, subject));
  });
});

describe('compileProfile', () => {
  const options = { arch: 'x86_64', capabilities: 0n } as const;

  it('lets the first rule that holds decide, and the default where none does', () => {
    const filter = compileProfile(
      {
        defaultAction: { errno: 38 },
        rules: [
          {
            names: ['read'],
            action: 'allow',
            args: [
              { index: 0, op: 'EQ', value: 3 },
              { index: 2, op: 'LT', value: 1n << 40n },
            ],
          },
          { names: ['read'], action: { errno: 13 }, args: [{ index: 0, op: 'GE', value: 2 }] },
          { names: ['write', 'exit_group'], action: 'allow' },
          { names: ['write'], action: { errno: 5 } },
          { names: ['socketcall'], action: 'kill-process' },
        ],
      },
      options,
    );
    const of = (name: string, args: (number | bigint)[] = [], abi: 'x86_64' | 'i386' = 'x86_64') => verdict(abi, name, args, filter);
    expect(of('read', [3, 0, 100])).toBe(ALLOW);
    expect(of('read', [3, 0, 1n << 40n])).toBe(errno(13));
    expect(of('read', [2])).toBe(errno(13));
    expect(of('read', [1])).toBe(ENOSYS);
    expect(of('write')).toBe(ALLOW);
    expect(of('exit_group', [], 'i386')).toBe(ALLOW);
    expect(of('open')).toBe(ENOSYS);
    expect(of('socketcall', [], 'i386')).toBe(KILL_PROCESS);
  });

  it('compiles an empty profile to its default', () => {
    const filter = compileProfile({ defaultAction: 'allow', rules: [] }, options);
    expect(runFilter(filter, { arch: audit.i386, nr: 1 }).verdict).toBe(ALLOW);
    expect(runFilter(filter, { arch: audit.arm64, nr: 1 }).verdict).toBe(KILL_PROCESS);
  });

  it('refuses a call that no architecture has', () => {
    const profile = { defaultAction: 'allow', rules: [{ names: ['keyctrl'], action: 'allow' }] } as const;
    expect(() => compileProfile(profile, options)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining("did you mean 'keyctl'?") }),
    );
  });
});
