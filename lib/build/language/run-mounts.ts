import { InstructionProblem } from './build-error.js';
import { didYouMeanOf } from './suggest.js';

/** `RUN --mount`, its variables expanded. */
export interface RunMount {
  readonly type: 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh';
  readonly from: string;
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  /** Bytes; `null`: not given. */
  readonly size: number | null;
  readonly id: string;
  readonly sharing: 'shared' | 'private' | 'locked' | null;
  readonly required: boolean;
  /** The variable that a secret is in; '': one of the secret's name; `null`: it is a file. */
  readonly env: string | null;
  readonly mode: number | null;
  readonly uid: number | null;
  readonly gid: number | null;
}

type Draft = { -readonly [K in keyof RunMount]: RunMount[K] } & { isReadOnlyGiven: boolean };

const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;
const SHARINGS = ['shared', 'private', 'locked'] as const;
const KEYS = ['type', 'from', 'source', 'src', 'target', 'dst', 'destination', 'readonly', 'ro', 'readwrite', 'rw', 'required'];
const ALL_KEYS = [...KEYS, 'size', 'id', 'sharing', 'mode', 'uid', 'gid', 'env'];

/**
 * Checks what can be checked before the values of variables are known.
 *
 * @throws InstructionProblem
 */
export function checkMountFlags(text: string): void {
  for (const field of csvFields(text)) {
    const [key, value] = keyAndValue(field);
    if (key !== 'from' || value === null) continue;
    const at = value.indexOf('$');
    if (at >= 0 && at < value.length - 1)
      throw new InstructionProblem("'from' doesn't support variable expansion, define alias stage instead");
  }
}

/**
 * Reads the value of `RUN --mount`: fields with commas between them, in CSV's quotes.
 *
 * @param expand puts the values of variables in
 * @throws InstructionProblem
 */
export function parseRunMount(text: string, expand: (value: string) => string): RunMount {
  const mount: Draft = {
    type: 'bind',
    from: '',
    source: '',
    target: '',
    readOnly: false,
    size: null,
    id: '',
    sharing: null,
    required: false,
    env: null,
    mode: null,
    uid: null,
    gid: null,
    isReadOnlyGiven: false,
  };
  for (const field of csvFields(text)) {
    const [key, value] = keyAndValue(field);
    if (value === null) setFlag(mount, key, field);
    else setValue(mount, { key, value: expand(value), field });
  }
  const { isReadOnlyGiven, ...rest } = mount;
  checkMount(rest);
  return { ...rest, readOnly: isReadOnlyGiven ? rest.readOnly : rest.type !== 'cache' && rest.type !== 'tmpfs' };
}

function keyAndValue(field: string): readonly [string, string | null] {
  const sign = field.indexOf('=');
  return sign < 0 ? [field.toLowerCase(), null] : [field.slice(0, sign).toLowerCase(), field.slice(sign + 1)];
}

function setFlag(mount: Draft, key: string, field: string): void {
  if (key === 'readonly' || key === 'ro' || key === 'readwrite' || key === 'rw') {
    mount.readOnly = key.startsWith('reado') || key === 'ro';
    mount.isReadOnlyGiven = true;
  } else if (key === 'required') mount.required = requiredOf(mount, key, 'true');
  else throw new InstructionProblem(`invalid field '${field}' must be a key=value pair`);
}

function setValue(mount: Draft, { key, value, field }: { key: string; value: string; field: string }): void {
  switch (key) {
    case 'type':
      mount.type = oneOfWords(value, TYPES, 'mount type');
      return;
    case 'from':
      mount.from = value;
      return;
    case 'source':
    case 'src':
      mount.source = value;
      return;
    case 'target':
    case 'dst':
    case 'destination':
      mount.target = value;
      return;
    case 'readonly':
    case 'ro':
    case 'readwrite':
    case 'rw':
      mount.readOnly = goBoolean(key, value) === (key === 'readonly' || key === 'ro');
      mount.isReadOnlyGiven = true;
      return;
    case 'required':
      mount.required = requiredOf(mount, key, value);
      return;
    case 'size':
      if (mount.type !== 'tmpfs') throw new InstructionProblem(`unexpected key '${key}' for mount type '${mount.type}'`);
      mount.size = bytesOf(key, value);
      return;
    case 'id':
      mount.id = value;
      return;
    case 'sharing':
      mount.sharing = oneOfWords(value, SHARINGS, 'sharing value');
      return;
    case 'mode':
      if (!/^[0-7]{1,11}$/.test(value)) throw new InstructionProblem(`invalid value ${value} for mode`);
      mount.mode = Number.parseInt(value, 8);
      return;
    case 'uid':
    case 'gid':
      if (!/^\d{1,10}$/.test(value) || Number(value) > 0xffffffff) throw new InstructionProblem(`invalid value ${value} for ${key}`);
      mount[key] = Number(value);
      return;
    case 'env':
      mount.env = value;
      return;
    default:
      throw new InstructionProblem(`unexpected key '${key}' in '${field}'${didYouMeanOf(key, ALL_KEYS)}`);
  }
}

function checkMount({ type, mode, uid, gid, from, sharing, source, target, id }: Omit<RunMount, 'readOnly'>): void {
  if (type === 'bind' || type === 'tmpfs')
    for (const [name, value] of Object.entries({ mode, uid, gid }))
      if (value !== null) throw new InstructionProblem(`${name} not allowed for ${JSON.stringify(type)} type mounts`);
  if (type === 'secret') {
    if (from !== '') throw new InstructionProblem('secret mount should not have a from');
    if (sharing !== null) throw new InstructionProblem('secret mount should not define sharing');
    if (source === '' && target === '' && id === '') throw new InstructionProblem('invalid secret mount. one of source, target required');
    if (source !== '' && id !== '') throw new InstructionProblem("both source and id can't be set");
  }
  if (sharing !== null && type !== 'cache') throw new InstructionProblem(`invalid cache sharing set for ${type} mount`);
}

function requiredOf({ type }: Draft, key: string, value: string): boolean {
  if (type === 'secret' || type === 'ssh') return goBoolean(key, value);
  throw new InstructionProblem(`unexpected key '${key}' for mount type '${type}'`);
}

function oneOfWords<T extends string>(value: string, words: readonly T[], what: string): T {
  const found = words.find((word) => word === value.toLowerCase());
  if (found === undefined) throw new InstructionProblem(`unsupported ${what} ${JSON.stringify(value)}${didYouMeanOf(value, words)}`);
  return found;
}

/** As Go's strconv.ParseBool. */
function goBoolean(key: string, value: string): boolean {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(value)) return true;
  if (/^(?:0|f|F|false|FALSE|False)$/.test(value)) return false;
  throw new InstructionProblem(`invalid value for ${key}: ${value}`);
}

/** As go-units' RAMInBytes: all units are powers of 1024. */
function bytesOf(key: string, value: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(value) ?? [];
  if (number === undefined) throw new InstructionProblem(`invalid value for ${key}: ${value}`);
  return Math.floor(Number(number) * 1024 ** ['', 'k', 'm', 'g', 't', 'p'].indexOf(unit.toLowerCase()));
}

/** One line of CSV (RFC 4180): a field in quotes may have commas, and quotes that are doubled. */
function csvFields(text: string): string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (text[at] === '"') {
      const [quoted, inner = ''] = /^"((?:[^"]|"")*)"/.exec(text.slice(at)) ?? [];
      if (quoted === undefined) throw new InstructionProblem('failed to parse csv mounts: a quote is not closed');
      fields.push(inner.replaceAll('""', '"'));
      at += quoted.length;
      if (at < text.length && text[at] !== ',') throw new InstructionProblem('failed to parse csv mounts: text after a closing quote');
    } else {
      const comma = text.indexOf(',', at);
      const field = text.slice(at, comma < 0 ? undefined : comma);
      if (field.includes('"')) throw new InstructionProblem('failed to parse csv mounts: a quote within a field');
      fields.push(field);
      at += field.length;
    }
    if (at >= text.length) return fields;
    at++;
  }
}
