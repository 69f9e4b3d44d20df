import { audits, type Door, x32Bit } from '../filter.js';
import { type Abi, syscallTable } from '../syscalls/tables.js';

/** A system call as the kernel tells of it: AUDIT_ARCH_* of linux/audit.h, and the number. */
export interface CallNumber {
  readonly arch: number;
  readonly call: number;
}

/** A call by its name; `null` where there is no such ABI, or no such call, as far as is known here. */
export interface NamedCall {
  readonly abi: Door | null;
  readonly name: string | null;
}

const names = new Map<Abi, ReadonlyMap<number, string>>();

function namesOf(abi: Abi): ReadonlyMap<number, string> {
  const known = names.get(abi) ?? new Map([...syscallTable(abi)].flatMap(([name, numbers]) => numbers.map((number) => [number, name])));
  names.set(abi, known);
  return known;
}

export function namedCall({ arch, call }: CallNumber): NamedCall {
  const abi = (['x86_64', 'i386', 'arm64'] as const).find((abi) => audits[abi] === arch);
  if (abi === undefined) return { abi: null, name: null };
  const isX32 = abi === 'x86_64' && call >= 0 && (call & x32Bit) !== 0;
  return { abi: isX32 ? 'x32' : abi, name: namesOf(abi).get(isX32 ? call & ~x32Bit : call) ?? null };
}

/** The call in words: 'mount', or what is known of it. */
export function describeCall(of: CallNumber): string {
  const { abi, name } = namedCall(of);
  if (abi === null) return `number ${of.call} of an architecture that this machine's filters don't know`;
  return name ?? `number ${of.call} of ${abi}`;
}
