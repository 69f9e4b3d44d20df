import { malformed } from './dbus-error.js';

/** Types of one letter. Descriptors (h) are not among them: nobody here sends or takes any. */
export type BasicCode = 'y' | 'b' | 'n' | 'q' | 'i' | 'u' | 'x' | 't' | 'd' | 's' | 'o' | 'g';

/** A type of the D-Bus specification, "Type System". */
export type Type =
  | { readonly code: BasicCode }
  | { readonly code: 'v' }
  | { readonly code: 'a'; readonly of: Type }
  | { readonly code: '('; readonly fields: readonly Type[] }
  | { readonly code: '{'; readonly fields: readonly [Type, Type] };

/** Bytes of a signature, and how deep arrays and structs may lie in each other, by the specification. */
const LONGEST_SIGNATURE = 255;
const DEEPEST_TYPE = 32;

const BASIC = new Set<string>(['y', 'b', 'n', 'q', 'i', 'u', 'x', 't', 'd', 's', 'o', 'g'] satisfies BasicCode[]);

function isBasic(code: string): code is BasicCode {
  return BASIC.has(code);
}

/** The types that a signature lists: 'sa(sv)' has two. Pure. @throws DBusError */
export function parseSignature(signature: string): Type[] {
  if (signature.length > LONGEST_SIGNATURE)
    throw malformed(`a signature of ${signature.length} characters, more than ${LONGEST_SIGNATURE}`);
  const types: Type[] = [];
  for (let at = 0; at < signature.length; ) {
    const [type, end] = typeAt(signature, at, { arrays: 0, structs: 0 });
    types.push(type);
    at = end;
  }
  return types;
}

/** The only type of a signature, as a variant has it. @throws DBusError */
export function parseType(signature: string): Type {
  const [type, ...others] = parseSignature(signature);
  if (type === undefined || others.length > 0) throw malformed(`the signature '${signature}' is not of one type`);
  return type;
}

interface Depth {
  readonly arrays: number;
  readonly structs: number;
}

/** The type that begins there, and where it ends. */
function typeAt(signature: string, at: number, depth: Depth): [Type, number] {
  const code = signature.charAt(at);
  if (depth.arrays > DEEPEST_TYPE || depth.structs > DEEPEST_TYPE) throw malformed(`types deeper than ${DEEPEST_TYPE}`);
  if (isBasic(code)) return [{ code }, at + 1];
  if (code === 'v') return [{ code }, at + 1];
  if (code === 'a') {
    const inside = { ...depth, arrays: depth.arrays + 1 };
    const [of, end] = signature.charAt(at + 1) === '{' ? entryAt(signature, at + 1, inside) : typeAt(signature, at + 1, inside);
    return [{ code, of }, end];
  }
  if (code === '(') return structAt(signature, at, depth);
  throw malformed(`'${signature}' is no signature at ${at}`);
}

function structAt(signature: string, begin: number, depth: Depth): [Type, number] {
  const inside = { ...depth, structs: depth.structs + 1 };
  const fields: Type[] = [];
  let at = begin + 1;
  while (signature.charAt(at) !== ')') {
    const [field, end] = typeAt(signature, at, inside);
    fields.push(field);
    at = end;
  }
  if (fields.length === 0) throw malformed(`'${signature}' has an empty struct at ${begin}`);
  return [{ code: '(', fields }, at + 1];
}

/** An entry of a dictionary is a basic key and a value, and stands in an array alone. */
function entryAt(signature: string, begin: number, depth: Depth): [Type, number] {
  const inside = { ...depth, structs: depth.structs + 1 };
  const [key, middle] = typeAt(signature, begin + 1, inside);
  if (!isBasic(key.code)) throw malformed(`'${signature}' has a key of type '${key.code}'`);
  const [value, end] = typeAt(signature, middle, inside);
  if (signature.charAt(end) !== '}') throw malformed(`'${signature}' is no signature at ${end}`);
  return [{ code: '{', fields: [key, value] }, end + 1];
}

/** By how many bytes a value of the type is aligned. */
export function alignmentOf({ code }: Type): number {
  if ('ygv'.includes(code)) return 1;
  if ('nq'.includes(code)) return 2;
  return 'xtd({'.includes(code) ? 8 : 4;
}
