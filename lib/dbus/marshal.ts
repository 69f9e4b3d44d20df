import { Buffer } from 'node:buffer';
import { malformed } from './dbus-error.js';
import { alignmentOf, type BasicCode, parseSignature, parseType, type Type } from './signature.js';
import { DEEPEST_VALUE, isList, isObjectPath, isVariant, LONGEST_ARRAY, type Value } from './value.js';

/**
 * The bytes of values, little-endian, as they stand at a place that is aligned by 8 bytes ("Marshaling" of the specification). Pure.
 *
 * @throws DBusError: a value is not of its type
 */
export function marshal(signature: string, values: readonly Value[]): Buffer {
  const types = parseSignature(signature);
  if (types.length !== values.length) throw malformed(`${values.length} values for the signature '${signature}'`);
  const writer = new Writer();
  types.forEach((type, index) => {
    writer.write(type, values[index], 0);
  });
  return writer.bytes();
}

const INTEGERS = {
  y: { bytes: 1, lowest: 0n, highest: 0xffn },
  n: { bytes: 2, lowest: -0x8000n, highest: 0x7fffn },
  q: { bytes: 2, lowest: 0n, highest: 0xffffn },
  i: { bytes: 4, lowest: -0x80000000n, highest: 0x7fffffffn },
  u: { bytes: 4, lowest: 0n, highest: 0xffffffffn },
  x: { bytes: 8, lowest: -(2n ** 63n), highest: 2n ** 63n - 1n },
  t: { bytes: 8, lowest: 0n, highest: 2n ** 64n - 1n },
} as const;

class Writer {
  readonly #parts: Buffer[] = [];
  #length = 0;

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  write(type: Type, value: Value | undefined, depth: number): void {
    if (depth > DEEPEST_VALUE) throw malformed(`values deeper than ${DEEPEST_VALUE}`);
    this.#align(alignmentOf(type));
    switch (type.code) {
      case 'a':
        this.#array(type.of, listIn(value), depth);
        return;
      case '(':
      case '{':
        this.#struct(type.fields, listIn(value), depth);
        return;
      case 'v': {
        if (value === undefined || !isVariant(value)) throw malformed('a value without its type stands for a variant');
        this.#text('g', value.signature);
        this.write(parseType(value.signature), value.value, depth + 1);
        return;
      }
      default:
        this.#basic(type.code, value);
    }
  }

  #array(of: Type, values: readonly Value[], depth: number): void {
    const size = Buffer.alloc(4);
    this.#add(size);
    // the bytes up to the first element are not counted, and are there in an empty array too
    this.#align(alignmentOf(of));
    const begin = this.#length;
    for (const value of values) this.write(of, value, depth + 1);
    const length = this.#length - begin;
    if (length > LONGEST_ARRAY) throw malformed(`an array of ${length} bytes`);
    size.writeUInt32LE(length);
  }

  #struct(fields: readonly Type[], values: readonly Value[], depth: number): void {
    if (fields.length !== values.length) throw malformed(`${values.length} values for ${fields.length} fields`);
    fields.forEach((field, index) => {
      this.write(field, values[index], depth + 1);
    });
  }

  #basic(code: BasicCode, value: Value | undefined): void {
    switch (code) {
      case 's':
      case 'o':
      case 'g':
        if (typeof value !== 'string') throw malformed(`a ${typeof value} stands for a text`);
        this.#text(code, value);
        return;
      case 'b':
        if (typeof value !== 'boolean') throw malformed(`a ${typeof value} stands for a boolean`);
        this.#integer('u', value ? 1n : 0n);
        return;
      case 'd': {
        if (typeof value !== 'number') throw malformed(`a ${typeof value} stands for a double`);
        const bytes = Buffer.alloc(8);
        bytes.writeDoubleLE(value);
        this.#add(bytes);
        return;
      }
      default:
        this.#integer(code, integerIn(value));
    }
  }

  #integer(code: keyof typeof INTEGERS, value: bigint): void {
    const { bytes, lowest, highest } = INTEGERS[code];
    if (value < lowest || value > highest) throw malformed(`${value} is no number of type '${code}'`);
    const whole = Buffer.alloc(8);
    whole.writeBigUInt64LE(BigInt.asUintN(64, value));
    this.#add(whole.subarray(0, bytes));
  }

  #text(code: 's' | 'o' | 'g', text: string): void {
    if (/[\0\p{Cs}]/u.test(text)) throw malformed('a text with half a character, or a NUL');
    if (code === 'o' && !isObjectPath(text)) throw malformed(`'${text}' is no object path`);
    if (code === 'g') parseSignature(text);
    const bytes = Buffer.from(`${text}\0`);
    this.#integer(code === 'g' ? 'y' : 'u', BigInt(bytes.length - 1));
    this.#add(bytes);
  }

  #align(by: number): void {
    const over = this.#length % by;
    if (over > 0) this.#add(Buffer.alloc(by - over));
  }

  #add(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }
}

function listIn(value: Value | undefined): readonly Value[] {
  if (value === undefined || !isList(value)) throw malformed(`a ${typeof value} stands for a list`);
  return value;
}

function integerIn(value: Value | undefined): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
  throw malformed(`a ${typeof value} stands for an integer`);
}
