/** A place in a filter that a jump goes to. Classic BPF jumps forward only. */
export type Label = number;

/** A comparison of the accumulator with a constant, unsigned; `jset` is true when they share a bit. */
export type Comparison = 'jeq' | 'jgt' | 'jge' | 'jset';

type Instruction =
  | { readonly kind: 'plain'; readonly code: number; readonly k: number }
  | { readonly kind: 'branch'; readonly code: number; readonly k: number; readonly yes: Label; readonly no: Label };

// These are of linux/bpf_common.h.
const BPF_LD_W_ABS = 0x20;
const BPF_ALU_AND_K = 0x54;
const BPF_JMP_JA = 0x05;
const BPF_RET_K = 0x06;
const comparisons: Record<Comparison, number> = { jeq: 0x15, jgt: 0x25, jge: 0x35, jset: 0x45 };

/** The kernel's BPF_MAXINSNS. */
export const maxInstructions = 4096;
/** jt and jf of struct sock_filter are bytes. */
const maxBranch = 255;

/** The error of a filter that the kernel would refuse. */
export const tooMany = (count: string): RangeError =>
  new RangeError(`a filter of ${count} instructions: the kernel takes ${maxInstructions}`);

/** Assembles a classic BPF program, as seccomp(2) takes it. */
export class Assembler {
  readonly #instructions: Instruction[] = [];
  /** By label: the index of the instruction that it stands before. */
  readonly #places: (number | undefined)[] = [];

  label(): Label {
    return this.#places.push(undefined) - 1;
  }

  /** The label stands before the next instruction. */
  place(label: Label): void {
    this.#places[label] = this.#instructions.length;
  }

  /** Loads the 32-bit word at an offset of struct seccomp_data into the accumulator. */
  load(offset: number): void {
    this.#plain(BPF_LD_W_ABS, offset);
  }

  and(mask: number): void {
    this.#plain(BPF_ALU_AND_K, mask);
  }

  ret(value: number): void {
    this.#plain(BPF_RET_K, value);
  }

  branch(comparison: Comparison, k: number, yes: Label, no: Label): void {
    this.#push({ kind: 'branch', code: comparisons[comparison], k, yes, no });
  }

  #plain(code: number, k: number): void {
    this.#push({ kind: 'plain', code, k });
  }

  /** Too many are refused at once: what is compiled may be a stranger's, of any length. */
  #push(instruction: Instruction): void {
    if (this.#instructions.push(instruction) > maxInstructions) throw tooMany(`more than ${maxInstructions}`);
  }

  /**
   * The program as struct sock_filter[], little endian (all our architectures are).
   * @throws RangeError past 4,096 instructions, and for a label that is not placed or lies behind its jump.
   */
  assemble(): Uint8Array {
    const layout = this.#layout();
    const bytes = new Uint8Array(layout.size * 8);
    const view = new DataView(bytes.buffer);
    let at = 0;
    const emit = (code: number, jt: number, jf: number, k: number) => {
      view.setUint16(at * 8, code, true);
      view.setUint8(at * 8 + 2, jt);
      view.setUint8(at * 8 + 3, jf);
      view.setUint32(at * 8 + 4, k >>> 0, true);
      at++;
    };
    for (const [index, instruction] of this.#instructions.entries()) {
      if (instruction.kind === 'plain') {
        emit(instruction.code, 0, 0, instruction.k);
        continue;
      }
      const next = at + 1;
      // Where a target is too far for a byte, the branch goes to a jump with 32 bits, right behind it.
      const far = [instruction.yes, instruction.no].filter((label) => layout.far.has(`${index} ${label}`));
      const offset = (label: Label) => (far.includes(label) ? far.indexOf(label) : layout.at(label) - next);
      emit(instruction.code, offset(instruction.yes), offset(instruction.no), instruction.k);
      for (const label of far) emit(BPF_JMP_JA, 0, 0, layout.at(label) - at - 1);
    }
    return bytes;
  }

  /** Finds which branches need a long jump. Each long jump makes the program longer, so this is repeated until nothing changes. */
  #layout(): { size: number; far: ReadonlySet<string>; at: (label: Label) => number } {
    const far = new Set<string>();
    for (;;) {
      const starts: number[] = [];
      let size = 0;
      for (const [index, instruction] of this.#instructions.entries()) {
        starts.push(size);
        size += 1;
        if (instruction.kind === 'branch') size += [instruction.yes, instruction.no].filter((label) => far.has(`${index} ${label}`)).length;
      }
      if (size > maxInstructions) throw tooMany(`${size}`);
      const at = (label: Label) => {
        const start = starts[this.#places[label] ?? -1];
        if (start === undefined) throw new RangeError(`label ${label} is not placed`);
        return start;
      };
      const before = far.size;
      for (const [index, instruction] of this.#instructions.entries()) {
        if (instruction.kind === 'plain') continue;
        for (const label of [instruction.yes, instruction.no]) {
          const distance = at(label) - (starts[index] ?? 0) - 1;
          if (distance < 0) throw new RangeError(`label ${label} lies behind its jump`);
          if (distance > maxBranch) far.add(`${index} ${label}`);
        }
      }
      if (far.size === before) return { size, far, at };
    }
  }
}
