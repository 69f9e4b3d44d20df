import { arm64 } from './arm64.js';
import { i386 } from './i386.js';
import { x32 } from './x32.js';
import { x86_64 } from './x86_64.js';

/** A way into the kernel that has its own numbers. x32 is part of x86-64: the same numbers, and some of its own. */
export type Abi = 'x86_64' | 'i386' | 'arm64';

/** The numbers of each call, by name. x32's are without its bit, 0x40000000. */
export type SyscallTable = ReadonlyMap<string, readonly number[]>;

function read(...parts: readonly { readonly names: string; readonly first: number }[]): SyscallTable {
  const table = new Map<string, number[]>();
  for (const { names, first } of parts) {
    for (const [index, name] of names.trim().split(/\s/).entries()) {
      if (name !== '-') table.set(name, [...(table.get(name) ?? []), first + index]);
    }
  }
  return table;
}

/** Where the numbers begin that x32 has for itself. */
export const firstX32 = 512;

const readers: Record<Abi, () => SyscallTable> = {
  x86_64: () => read({ names: x86_64, first: 0 }, { names: x32, first: firstX32 }),
  i386: () => read({ names: i386, first: 0 }),
  arm64: () => read({ names: arm64, first: 0 }),
};
const tables = new Map<Abi, SyscallTable>();

/** The system calls of an ABI up to Linux 6.18. Read at the first use: most programs need one or two. */
export function syscallTable(abi: Abi): SyscallTable {
  let table = tables.get(abi);
  if (!table) {
    table = readers[abi]();
    tables.set(abi, table);
  }
  return table;
}
