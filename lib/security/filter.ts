import { returnValue } from './actions.js';
import { Assembler } from './bpf.js';
import { Blocks } from './case-blocks.js';
import { type CaseSpan, keyOf, spansOf } from './case-spans.js';
import { emitSearch } from './number-search.js';
import type { Profile } from './profile.js';
import type { Abi } from './syscalls/tables.js';

/** A machine's architecture, which decides by what ABIs its kernel takes system calls. */
export type Architecture = 'x86_64' | 'arm64';

/** An ABI by which programs enter the kernel. x32 has x86-64's numbers with a bit set, and some of its own. */
export type Door = Abi | 'x32';

/**
 * The ABIs that a filter can cover, by architecture, the native one first; a call through any other kills the process.
 *
 * On arm64 the 32-bit ABI has no table here, so 32-bit ARM programs are killed.
 */
export const doorsOf: Readonly<Record<Architecture, readonly Door[]>> = { x86_64: ['x86_64', 'x32', 'i386'], arm64: ['arm64'] };

/** AUDIT_ARCH_* of linux/audit.h. x32 has that of x86-64. */
export const audits: Readonly<Record<Abi, number>> = { x86_64: 0xc000_003e, i386: 0x4000_0003, arm64: 0xc000_00b7 };
export const x32Bit = 0x4000_0000;

/** Offsets in struct seccomp_data. */
const nrOffset = 0;
const archOffset = 4;

/**
 * Compiles what holds for each ABI to a classic BPF program for seccomp(2): struct sock_filter[], little endian. A call through an ABI
 * without a profile kills the process.
 *
 * The call's number is found in a binary search tree (number-search.ts). A call that is allowed whatever its
 * arguments are costs nothing since Linux 5.11, which remembers such numbers.
 *
 * @throws RangeError for more instructions than the kernel takes
 */
export function compileFilter(profiles: Readonly<Partial<Record<Door, Profile>>>): Uint8Array {
  const assembler = new Assembler();
  const blocks = new Blocks(assembler);
  assembler.load(archOffset);
  for (const abi of ['x86_64', 'i386', 'arm64'] as const) {
    const profile = profiles[abi];
    if (!profile) continue;
    const { spans, numberMask } = abi === 'x86_64' ? withX32(profile, profiles.x32) : { spans: spansOf(profile, abi), numberMask: null };
    const [covered, other] = [assembler.label(), assembler.label()];
    assembler.branch('jeq', audits[abi], covered, other);
    assembler.place(covered);
    assembler.load(nrOffset);
    if (numberMask !== null) assembler.and(numberMask);
    emitSearch(
      assembler,
      spans.map(({ from, cases }, index) => ({
        from,
        end: spans[index + 1]?.from ?? Number.POSITIVE_INFINITY,
        label: blocks.label(cases),
      })),
    );
    assembler.place(other);
  }
  assembler.ret(returnValue('kill-process'));
  blocks.emit();
  return assembler.assemble();
}

/**
 * The spans of x86-64 with x32's behind them, from its bit on. Where both are the same the bit is masked off instead, so that a rule about a
 * call holds with and without it: before Linux 5.4 the kernel itself took each number either way.
 */
function withX32(native: Profile, x32: Profile | undefined): { spans: CaseSpan[]; numberMask: number | null } {
  const spans = spansOf(native, 'x86_64');
  const others: CaseSpan[] = x32 ? spansOf(x32, 'x86_64') : [{ from: 0, cases: [{ action: 'kill-process' }] }];
  if (keyOfSpans(spans) === keyOfSpans(others)) return { spans, numberMask: ~x32Bit >>> 0 };
  const shifted = others.map(({ from, cases }) => ({ from: from + x32Bit, cases }));
  // Numbers below 0, such as the -1 of a tracer that skips a call, are no x32's.
  return { spans: [...spans, ...shifted, { from: 2 * x32Bit, cases: [{ action: native.defaultAction }] }], numberMask: null };
}

function keyOfSpans(spans: readonly CaseSpan[]): string {
  return spans.map(({ from, cases }) => `${from} ${keyOf(cases)}`).join();
}
