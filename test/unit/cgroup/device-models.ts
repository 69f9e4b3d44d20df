import type { DeviceRule } from '../../../lib/options/limits.js';

/** What a program wants of a device: 'm' alone to make a node, or 'r', 'w' or both to open one. */
export interface Wish {
  type: 'b' | 'c';
  major: number;
  minor: number;
  access: string;
}

interface Devices {
  type: 'a' | 'b' | 'c';
  major?: number | undefined;
  minor?: number | undefined;
}

const fits = (rule: Devices, wish: Wish): boolean =>
  (rule.type === 'a' || rule.type === wish.type) &&
  (rule.major === undefined || rule.major === wish.major) &&
  (rule.minor === undefined || rule.minor === wish.minor);

/** What rules mean: for each letter the last one that fits decides; without one, all is allowed. */
export function allowed(rules: readonly DeviceRule[], wish: Wish): boolean {
  return [...wish.access].every((letter) => rules.findLast((rule) => fits(rule, wish) && rule.access.includes(letter))?.allow ?? true);
}

interface Exception {
  type: 'b' | 'c';
  major: number | undefined;
  minor: number | undefined;
  access: Set<string>;
}

/** security/device_cgroup.c of Linux: a default and exceptions, filled through its two files, below another. */
export class V1Devices {
  readonly #above: V1Devices | undefined;
  #allows = true;
  #exceptions: Exception[] = [];

  constructor(above?: V1Devices) {
    this.#above = above;
    if (above) this.#inherit(above);
  }

  #inherit(above: V1Devices): void {
    this.#allows = above.#allows;
    this.#exceptions = above.#exceptions.map((exception) => ({ ...exception, access: new Set(exception.access) }));
  }

  /** devices.list: of a group that allows all, nothing of its exceptions. */
  get list(): string {
    if (this.#allows) return 'a *:* rwm\n';
    const lines = this.#exceptions.filter(({ access }) => access.size > 0);
    return lines.map(({ type, major, minor, access }) => `${type} ${major ?? '*'}:${minor ?? '*'} ${[...access].join('')}\n`).join('');
  }

  /** parent_has_perm: what is allowed below must be allowed here, all of it. */
  #permits(asked: Exception): boolean {
    const clash = (x: number | undefined, y: number | undefined): boolean => x !== undefined && y !== undefined && x !== y;
    const letters = [...asked.access];
    const ofType = this.#exceptions.filter(({ type }) => type === asked.type);
    if (this.#allows)
      return !ofType.some(
        ({ major, minor, access }) =>
          !clash(major, asked.major) && !clash(minor, asked.minor) && letters.some((letter) => access.has(letter)),
      );
    return ofType.some(
      ({ major, minor, access }) =>
        (major === undefined || major === asked.major) &&
        (minor === undefined || minor === asked.minor) &&
        letters.every((letter) => access.has(letter)),
    );
  }

  write(file: string, text: string): void {
    const allow = file === 'devices.allow';
    if (text === 'a') {
      if (allow && this.#above && !this.#above.#allows) throw new Error('EPERM');
      this.#allows = allow;
      this.#exceptions = [];
      if (allow && this.#above) this.#inherit(this.#above);
      return;
    }
    const [type = '', numbers = '', letters = ''] = text.split(' ');
    const [major, minor] = numbers.split(':').map((number) => (number === '*' ? undefined : Number(number)));
    if (type !== 'b' && type !== 'c') throw new Error(`EINVAL: ${text}`);
    const asked = { type, major, minor, access: new Set(letters) } as const;
    if (allow && !this.#allows && this.#above && !this.#above.#permits(asked)) throw new Error('EPERM');
    const same = this.#exceptions.find((other) => other.type === type && other.major === major && other.minor === minor);
    if (allow === this.#allows) {
      // dev_exception_rm: exactly this one, or nothing
      for (const letter of letters) same?.access.delete(letter);
    } else if (same) {
      for (const letter of letters) same.access.add(letter);
    } else {
      this.#exceptions.push({ type, major, minor, access: new Set(letters) });
    }
  }

  /** match_exception: one that has every letter; match_exception_partial: one that has any. */
  allows(wish: Wish): boolean {
    const matching = this.#exceptions.filter((exception) => fits(exception, wish));
    const wanted = [...wish.access];
    if (this.#allows) return !matching.some(({ access }) => wanted.some((letter) => access.has(letter)));
    return matching.some(({ access }) => wanted.every((letter) => access.has(letter)));
  }
}

/**
 * Runs struct bpf_insn[] as the kernel does, as far as device filters use it: on the three words of struct
 * bpf_cgroup_dev_ctx. As the verifier, it knows no jump back and no register that was not set.
 */
export function runDeviceFilter(program: Uint8Array, wish: Wish): boolean {
  const bits: Record<string, number> = { m: 1, r: 2, w: 4 };
  const access = [...wish.access].reduce((all, letter) => all | (bits[letter] ?? 0), 0);
  const context = [(access << 16) | (wish.type === 'b' ? 1 : 2), wish.major, wish.minor];
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const registers = new Map<number, number>([[1, Number.NaN]]);
  const get = (register: number): number => {
    const value = registers.get(register);
    if (value === undefined) throw new Error(`R${register} !read_ok`);
    return value;
  };
  for (let at = 0; at < program.length; ) {
    const code = view.getUint8(at);
    const [to, from] = [view.getUint8(at + 1) & 15, view.getUint8(at + 1) >> 4];
    const offset = view.getInt16(at + 2, true);
    const value = view.getInt32(at + 4, true);
    if (offset < 0) throw new Error('a jump back');
    at += 8;
    if (code === 0x61) registers.set(to, word(context, from, offset));
    else if (code === 0xb4) registers.set(to, value >>> 0);
    else if (code === 0xbc) registers.set(to, get(from));
    else if (code === 0x54) registers.set(to, (get(to) & value) >>> 0);
    else if (code === 0x74) registers.set(to, get(to) >>> value);
    else if (code === 0x15) at += get(to) === value ? offset * 8 : 0;
    else if (code === 0x55) at += get(to) !== value ? offset * 8 : 0;
    else if (code === 0x95) return get(0) !== 0;
    else throw new Error(`unknown opcode ${code}`);
  }
  throw new Error('ran past its end');
}

function word(context: readonly number[], register: number, offset: number): number {
  if (register !== 1 || offset % 4 !== 0) throw new Error('not the context');
  return context[offset / 4] ?? Number.NaN;
}
