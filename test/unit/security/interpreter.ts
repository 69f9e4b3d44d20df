/** A system call as a filter sees it. */
export interface Call {
  readonly arch: number;
  readonly nr: number;
  readonly args?: readonly (number | bigint)[];
}

export interface Decision {
  readonly verdict: number;
  readonly steps: number;
  /** Whether it looked at arguments. Where it did not, it decides so of this number whatever they are: once is as good as for all. */
  readonly asksArguments: boolean;
}

/** Where the arguments begin in struct seccomp_data. */
const ARGUMENTS = 16;

/** Runs a seccomp filter as the kernel would and returns its verdict; throws where the kernel would refuse to load it. */
export function runFilter(filter: Uint8Array, call: Call): Decision {
  const code = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  if (filter.byteLength === 0 || filter.byteLength % 8 || filter.byteLength > 4096 * 8) throw new Error('not a filter');
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, call.nr >>> 0, true);
  data.setUint32(4, call.arch, true);
  (call.args ?? []).forEach((value, index) => {
    data.setBigUint64(ARGUMENTS + index * 8, BigInt.asUintN(64, BigInt(value)), true);
  });
  let accumulator = 0;
  let at = 0;
  let asksArguments = false;
  for (let steps = 1; ; steps++) {
    if (at * 8 >= filter.byteLength) throw new Error('ran off the end');
    const op = code.getUint16(at * 8, true);
    const jt = code.getUint8(at * 8 + 2);
    const jf = code.getUint8(at * 8 + 3);
    const k = code.getUint32(at * 8 + 4, true);
    at++;
    const branch = (taken: boolean): void => {
      at += taken ? jt : jf;
    };
    switch (op) {
      case 0x20:
        if (k % 4) throw new Error(`load at ${k}`);
        accumulator = data.getUint32(k, true);
        asksArguments ||= k >= ARGUMENTS;
        break;
      case 0x54:
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x05:
        at += k;
        break;
      case 0x15:
        branch(accumulator === k);
        break;
      case 0x25:
        branch(accumulator > k);
        break;
      case 0x35:
        branch(accumulator >= k);
        break;
      case 0x45:
        branch((accumulator & k) !== 0);
        break;
      case 0x06:
        return { verdict: k, steps, asksArguments };
      default:
        throw new Error(`unknown instruction ${op.toString(16)}`);
    }
  }
}

export const ALLOW = 0x7fff_0000;
export const KILL_PROCESS = 0x8000_0000;
export const errno = (value: number): number => 0x0005_0000 | value;
export const EPERM = errno(1);
export const ENOSYS = errno(38);

/** AUDIT_ARCH_* of linux/audit.h. */
export const audit = { x86_64: 0xc000_003e, i386: 0x4000_0003, arm64: 0xc000_00b7, arm: 0x4000_0028 } as const;
export const x32Bit = 0x4000_0000;
