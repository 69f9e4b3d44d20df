import type { Door } from '../filter.js';
import type { Action } from '../profile.js';

/** An action as it is named; some have a number of their own. */
export type NamedAction = Exclude<Action, object> | { readonly takes: 'errno' | 'trace' };

export const actionNames = {
  SCMP_ACT_KILL: 'kill-thread',
  SCMP_ACT_KILL_PROCESS: 'kill-process',
  SCMP_ACT_KILL_THREAD: 'kill-thread',
  SCMP_ACT_TRAP: 'trap',
  SCMP_ACT_ERRNO: { takes: 'errno' },
  SCMP_ACT_TRACE: { takes: 'trace' },
  SCMP_ACT_ALLOW: 'allow',
  SCMP_ACT_LOG: 'log',
  SCMP_ACT_NOTIFY: 'notify',
} as const satisfies Record<string, NamedAction>;

/** libseccomp's names of ABIs, each with SCMP_ARCH_ before it. */
const suffixes = [
  ...['X86', 'X86_64', 'X32', 'ARM', 'AARCH64', 'MIPS', 'MIPS64', 'MIPS64N32', 'MIPSEL', 'MIPSEL64', 'MIPSEL64N32', 'PPC', 'PPC64'],
  ...['PPC64LE', 'S390', 'S390X', 'PARISC', 'PARISC64', 'RISCV64', 'LOONGARCH64', 'M68K', 'SH', 'SHEB'],
] as const;

export const architectureNames = suffixes.map((suffix) => `SCMP_ARCH_${suffix}` as const);

/** Those that filters are made for here. */
export const doorNames: Readonly<Record<Door, string>> = {
  x86_64: 'SCMP_ARCH_X86_64',
  x32: 'SCMP_ARCH_X32',
  i386: 'SCMP_ARCH_X86',
  arm64: 'SCMP_ARCH_AARCH64',
};

/** Machines, as docker's conditions name them; 'mips3l64n32' is docker's own slip. */
export const nativeNames = [
  ...['x86', 'amd64', 'x32', 'arm', 'arm64', 'mips', 'mips64', 'mips64n32', 'mipsel', 'mipsel64', 'mipsel64n32', 'mips3l64n32', 'ppc'],
  ...['ppc64', 'ppc64le', 's390', 's390x', 'parisc', 'parisc64', 'riscv64', 'loongarch64', 'm68k', 'sh', 'sheb'],
] as const;

/**
 * Flags of the OCI runtime spec, as seccomp(2) has them. 0: nothing is changed by it here, for a filter is loaded by a process with one thread,
 * and a call that waits for an answer is always killable.
 */
export const filterFlags = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 0,
} as const;
