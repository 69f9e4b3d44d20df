import { type Buffer, isUtf8 } from 'node:buffer';
import { malformed } from './dbus-error.js';
import { alignmentOf, type BasicCode, parseSignature, parseType, type Type } from './signature.js';
import { DEEPEST_VALUE, isObjectPath, LONGEST_ARRAY, type Value } from './value.js';

export type Endian = 'little' | 'big';

/**
 * The values in bytes that stand at a place aligned by 8 bytes; whatever is wrong in them is an error. Pure.
 *
 * @throws DBusError
 */
export function unmarshal(signature: string, bytes: Buffer, endian: Endian): Value[] {
  const reader = new Reader(bytes, endian);
  const values = parseSignature(signature).map((type) => reader.read(type, 0));
  if (reader.at !== bytes.length) throw malformed(`${bytes.length - reader.at} bytes after the values of '${signature}'`);
  return values;
}

class Reader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #isLittle: boolean;
  at = 0;

  constructor(bytes: Buffer, endian: Endian) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#isLittle = endian === 'little';
  }

  read(type: Type, depth: number): Value {
    if (depth > DEEPEST_VALUE) throw malformed(`values deeper than ${DEEPEST_VALUE}`);
    this.#align(alignmentOf(type));
    switch (type.code) {
      case 'a':
        return this.#array(type.of, depth);
      case '(':
      case '{':
        return type.fields.map((field) => this.read(field, depth + 1));
      case 'v': {
        const signature = this.#text('g');
        return { signature, value: this.read(parseType(signature), depth + 1) };
      }
      default:
        return this.#basic(type.code);
    }
  }

  #array(of: Type, depth: number): Value[] {
    const length = this.#view.getUint32(this.#take(4), this.#isLittle);
    if (length > LONGEST_ARRAY) throw malformed(`an array of ${length} bytes`);
    this.#align(alignmentOf(of));
    const end = this.at + length;
    if (end > this.#bytes.length) throw malformed(`an array of ${length} bytes goes beyond its message`);
    const values: Value[] = [];
    while (this.at < end) values.push(this.read(of, depth + 1));
    if (this.at > end) throw malformed('an element goes beyond its array');
    return values;
  }

  #basic(code: BasicCode): Value {
    switch (code) {
      case 's':
      case 'o':
      case 'g':
        return this.#text(code);
      case 'y':
        return this.#view.getUint8(this.#take(1));
      case 'n':
        return this.#view.getInt16(this.#take(2), this.#isLittle);
      case 'q':
        return this.#view.getUint16(this.#take(2), this.#isLittle);
      case 'i':
        return this.#view.getInt32(this.#take(4), this.#isLittle);
      case 'u':
        return this.#view.getUint32(this.#take(4), this.#isLittle);
      case 'x':
        return this.#view.getBigInt64(this.#take(8), this.#isLittle);
      case 't':
        return this.#view.getBigUint64(this.#take(8), this.#isLittle);
      case 'd':
        return this.#view.getFloat64(this.#take(8), this.#isLittle);
      case 'b': {
        const value = this.#view.getUint32(this.#take(4), this.#isLittle);
        if (value > 1) throw malformed(`${value} is no boolean`);
        return value === 1;
      }
    }
  }

  #text(code: 's' | 'o' | 'g'): string {
    const length = code === 'g' ? this.#view.getUint8(this.#take(1)) : this.#view.getUint32(this.#take(4), this.#isLittle);
    const begin = this.#take(length + 1);
    const bytes = this.#bytes.subarray(begin, begin + length);
    if (this.#bytes[begin + length] !== 0 || bytes.includes(0) || !isUtf8(bytes)) throw malformed('a text that is none');
    const text = bytes.toString();
    if (code === 'o' && !isObjectPath(text)) throw malformed(`'${text}' is no object path`);
    if (code === 'g') parseSignature(text);
    return text;
  }

  /** Bytes between values are 0. */
  #align(by: number): void {
    const over = this.at % by;
    if (over === 0) return;
    const begin = this.#take(by - over);
    if (this.#bytes.subarray(begin, this.at).some((byte) => byte !== 0)) throw malformed('bytes between two values are not 0');
  }

  /** Goes on by so many bytes. @returns where they begin */
  #take(bytes: number): number {
    const begin = this.at;
    if (bytes > this.#bytes.length - begin) throw malformed('the message ends within a value');
    this.at = begin + bytes;
    return begin;
  }
}
