/** How a program of an architecture that does nothing but end is written. */
interface Machine {
  readonly bits: 32 | 64;
  readonly isBig?: boolean;
  /** e_machine and e_flags of elf(5). */
  readonly machine: number;
  readonly flags?: number;
  /** exit(0), as instructions. */
  readonly code: string;
}

/** By Go's names of architectures. Code in hexadecimal, as it lies in memory. */
const MACHINES: ReadonlyMap<string, Machine> = new Map<string, Machine>([
  ['386', { bits: 32, machine: 3, code: 'b801000000 31db cd80' }],
  ['amd64', { bits: 64, machine: 62, code: 'b83c000000 31ff 0f05' }],
  ['arm', { bits: 32, machine: 40, flags: 0x0500_0000, code: '0170a0e3 0000a0e3 000000ef' }],
  ['arm64', { bits: 64, machine: 183, code: 'a80b80d2 000080d2 010000d4' }],
  ['loong64', { bits: 64, machine: 258, flags: 0x43, code: '0b748102 04008002 00002b00' }],
  ['mips64le', { bits: 64, machine: 8, flags: 0x8000_0000, code: 'c2130224 00000424 0c000000' }],
  ['ppc64le', { bits: 64, machine: 21, flags: 2, code: '01000038 00006038 02000044' }],
  ['riscv64', { bits: 64, machine: 243, code: '9308d005 13050000 73000000' }],
  ['s390x', { bits: 64, isBig: true, machine: 22, code: 'a7190001 a7290000 0a01' }],
]);

/** Where the program lies in memory. */
const ADDRESS = 0x40_0000;

/** A program for an architecture that ends at once with 0, as an ELF file (elf(5)); `null` for an architecture whose programs are not known here. */
export function probeProgram(architecture: string): Buffer | null {
  const machine = MACHINES.get(architecture);
  if (!machine) return null;
  const { bits, isBig = false, flags = 0 } = machine;
  const code = Buffer.from(machine.code.replaceAll(' ', ''), 'hex');
  const [header, segment] = bits === 64 ? [64, 56] : [52, 32];
  const size = header + segment + code.length;
  const number = (value: number, bytes: number): Buffer => numberOf(value, { bytes, isBig });
  const word = (value: number): Buffer => number(value, bits / 8);
  const [readAndExecute, load, page] = [5, 1, 0x1_0000];
  const where = [word(0), word(ADDRESS), word(ADDRESS), word(size), word(size)];
  return Buffer.concat([
    Buffer.from([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, isBig ? 2 : 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ...[number(2, 2), number(machine.machine, 2), number(1, 4), word(ADDRESS + header + segment), word(header), word(0)],
    ...[number(flags, 4), number(header, 2), number(segment, 2), number(1, 2), number(0, 2), number(0, 2), number(0, 2)],
    ...(bits === 64
      ? [number(load, 4), number(readAndExecute, 4), ...where, word(page)]
      : [number(load, 4), ...where, number(readAndExecute, 4), word(page)]),
    code,
  ]);
}

function numberOf(value: number, { bytes, isBig }: { readonly bytes: number; readonly isBig: boolean }): Buffer {
  const all = Buffer.alloc(8);
  all.writeBigUInt64LE(BigInt(value));
  const used = all.subarray(0, bytes);
  return isBig ? used.reverse() : used;
}
