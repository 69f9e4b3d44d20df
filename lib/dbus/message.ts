import { Buffer } from 'node:buffer';
import { malformed } from './dbus-error.js';
import { marshal } from './marshal.js';
import { type Endian, unmarshal } from './unmarshal.js';
import { isList, isVariant, type Value, type Variant } from './value.js';

// A message, by "Message Format" of the D-Bus specification:
//
//      0        1        2        3       4           8          12              16
//   ┌────────┬────────┬────────┬────────┬───────────┬───────────┬───────────────┬───────────┬─────────┬──────┐
//   │ l or B │  type  │ flags  │   1    │ bytes of  │  serial   │ bytes of the  │  fields   │ up to 8 │ body │
//   │ endian │        │        │version │ the body  │           │    fields     │   a(yv)   │   × n   │      │
//   └────────┴────────┴────────┴────────┴───────────┴───────────┴───────────────┴───────────┴─────────┴──────┘
//
// A field is a code and a variant, whose type belongs to the code. The body has the values of the field `signature`.

const HEADER = 'yyyyuua(yv)';
/** Bytes that tell how long the whole is. */
export const HEAD_BYTES = 16;

const TYPES = { call: 1, return: 2, error: 3, signal: 4 } as const;

/** By their codes: the type of each. */
const FIELDS = {
  path: [1, 'o'],
  interface: [2, 's'],
  member: [3, 's'],
  errorName: [4, 's'],
  replySerial: [5, 'u'],
  destination: [6, 's'],
  sender: [7, 's'],
  signature: [8, 'g'],
} as const;

/** Bytes. What systemd answers has a few hundred; nobody is to be kept busy, or out of memory, with more. */
export const LONGEST_MESSAGE = 1024 ** 2;

export interface Message {
  readonly type: keyof typeof TYPES;
  readonly serial: number;
  /** The bus starts no program for it. Default: false. */
  readonly noAutoStart?: boolean;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly errorName?: string;
  readonly replySerial?: number;
  readonly destination?: string;
  readonly sender?: string;
  /** Default: ''. */
  readonly signature?: string;
  readonly body: readonly Value[];
}

const NO_AUTO_START = 2;

/** Pure. @throws DBusError: a value is not of its type, or the message is too long */
export function encodeMessage(message: Message): Buffer {
  const { type, serial, noAutoStart = false, signature = '', body } = message;
  const bytes = marshal(signature, body);
  const texts = { ...message, signature: signature === '' ? undefined : signature };
  const fields = Object.entries(FIELDS).flatMap(([name, [code, of]]): [number, Variant][] => {
    const value = texts[name as keyof typeof FIELDS];
    return value === undefined ? [] : [[code, { signature: of, value }]];
  });
  const flags = noAutoStart ? NO_AUTO_START : 0;
  const header = marshal(HEADER, ['l'.charCodeAt(0), TYPES[type], flags, 1, bytes.length, serial, fields]);
  const whole = Buffer.concat([header, Buffer.alloc(upTo8(header.length)), bytes]);
  if (whole.length > LONGEST_MESSAGE) throw malformed(`a message of ${whole.length} bytes`);
  return whole;
}

/** Where the parts of a message end, by its first {@link HEAD_BYTES} bytes. */
interface Extent {
  readonly endian: Endian;
  readonly headerEnd: number;
  readonly bodyBegin: number;
  readonly length: number;
}

function extentOf(head: Buffer): Extent {
  const endian = endianOf(head);
  const numberAt = (offset: number): number => (endian === 'little' ? head.readUInt32LE(offset) : head.readUInt32BE(offset));
  const headerEnd = HEAD_BYTES + numberAt(12);
  const bodyBegin = headerEnd + upTo8(headerEnd);
  return { endian, headerEnd, bodyBegin, length: bodyBegin + numberAt(4) };
}

/** How many bytes a message has that begins so. Pure. @param head its first {@link HEAD_BYTES} bytes @throws DBusError */
export function lengthOf(head: Buffer): number {
  const { length } = extentOf(head);
  if (length > LONGEST_MESSAGE) throw malformed(`a message of ${length} bytes, more than ${LONGEST_MESSAGE}`);
  return length;
}

/** Pure. @throws DBusError; a message of a later type is `null`, which the specification wants ignored */
export function decodeMessage(bytes: Buffer): Message | null {
  const { endian, headerEnd, bodyBegin } = extentOf(bytes);
  const [, code, flags, version, , serial, fields] = unmarshal(HEADER, bytes.subarray(0, headerEnd), endian);
  if (bytes.subarray(headerEnd, bodyBegin).some((byte) => byte !== 0)) throw malformed('bytes before the body are not 0');
  if (version !== 1) throw malformed(`version ${version}`);
  if (typeof serial !== 'number' || serial === 0) throw malformed('a message without a serial');
  const type = typesByCode.get(Number(code));
  if (type === undefined) return null;
  const known = fieldsIn(fields ?? []);
  requireFields(type, known);
  const body = unmarshal(known.signature ?? '', bytes.subarray(bodyBegin), endian);
  return { type, serial, ...(Number(flags) & NO_AUTO_START ? { noAutoStart: true } : {}), ...known, body };
}

const typesByCode = new Map(Object.entries(TYPES).map(([name, code]) => [code as number, name as keyof typeof TYPES]));

type Fields = Pick<Message, keyof typeof FIELDS>;

/** The fields that are known; others are to be ignored. */
function fieldsIn(list: Value): Fields {
  const given = new Map<number, Variant>();
  for (const field of isList(list) ? list : []) {
    const [code, variant] = isList(field) ? field : [];
    if (typeof code === 'number' && variant !== undefined && isVariant(variant)) given.set(code, variant);
  }
  const fieldOf = (name: keyof typeof FIELDS): Value | undefined => {
    const [code, signature] = FIELDS[name];
    const variant = given.get(code);
    if (variant !== undefined && variant.signature !== signature) throw malformed(`the field ${name} is of type '${variant.signature}'`);
    return variant?.value;
  };
  const names = Object.keys(FIELDS) as (keyof typeof FIELDS)[];
  const known = names.map((name) => [name, fieldOf(name)] as const).filter(([, value]) => value !== undefined);
  // the type of each was compared
  return Object.fromEntries(known);
}

const REQUIRED: Readonly<Record<keyof typeof TYPES, readonly (keyof typeof FIELDS)[]>> = {
  call: ['path', 'member'],
  return: ['replySerial'],
  error: ['errorName', 'replySerial'],
  signal: ['path', 'interface', 'member'],
};

function requireFields(type: keyof typeof TYPES, fields: Fields): void {
  const missing = REQUIRED[type].find((name) => fields[name] === undefined);
  if (missing !== undefined) throw malformed(`a message of type '${type}' without ${missing}`);
}

function endianOf(bytes: Buffer): Endian {
  const [first] = bytes;
  if (first === 0x6c) return 'little';
  if (first === 0x42) return 'big';
  throw malformed(`a message that begins with ${first}`);
}

function upTo8(length: number): number {
  return (8 - (length % 8)) % 8;
}
