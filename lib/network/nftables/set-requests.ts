import { attribute, NLM_F, text, u32 } from '../netlink.js';
import { encodeValue, encodeVerdict, type Verdict } from './expressions.js';
import { be32, nested, type Request } from './nfnetlink.js';
import { type NamedMap, type NamedSet, requestFor, type VerdictMap } from './table.js';
import { concatenate, dataTypes, sizeOf, type Types, typeId, type Values } from './values.js';

// Sets and maps that have a name. What changes from container to container is an element of one: added and removed by its key.

type AnySet = NamedSet | NamedMap | VerdictMap;

const NFT_MSG = { NEWSET: 9, DELSET: 11, NEWSETELEM: 12, DELSETELEM: 14 } as const;
const NFTA_SET = { TABLE: 1, NAME: 2, FLAGS: 3, KEY_TYPE: 4, KEY_LEN: 5, DATA_TYPE: 6, DATA_LEN: 7, ID: 10, USERDATA: 13 } as const;
const NFTA_SET_ELEM_LIST = { TABLE: 1, SET: 2, ELEMENTS: 3 } as const;
const NFTA_SET_ELEM = { KEY: 1, DATA: 2 } as const;
const NFTA_LIST_ELEM = 1;
const NFT_SET_MAP = 8;
const NFTNL_UDATA_SET_KEYBYTEORDER = 0;
const BYTEORDER = { host: 1, big: 2 } as const;
const NFT_DATA_VERDICT = 0xffff_ff00;
/** What one attribute holds at most is 65,531 bytes. */
const LIST_LIMIT = 60_000;

/** Adds a set or a map; one that is there already is left as it is when it is of the same types. */
export function addSet(set: AnySet): Request {
  const { table, name, key } = set;
  const map = 'data' in set ? dataAttributes(set.data) : [];
  return requestFor(`add the set ${name}`, NFT_MSG.NEWSET, NLM_F.CREATE, table, [
    attribute(NFTA_SET.TABLE, text(table.name)),
    attribute(NFTA_SET.NAME, text(name)),
    attribute(NFTA_SET.FLAGS, be32(map.length > 0 ? NFT_SET_MAP : 0)),
    attribute(NFTA_SET.KEY_TYPE, be32(typeId(key))),
    attribute(NFTA_SET.KEY_LEN, be32(sizeOf(key))),
    ...map,
    // The kernel wants a number by which the same batch could name the set; all of ours name it by its name.
    attribute(NFTA_SET.ID, be32(1)),
    ...noteOfOrder(key),
  ]);
}

/** Removes a set or a map, which no rule may name any more. */
export function deleteSet({ table, name }: AnySet): Request {
  return requestFor(`delete the set ${name}`, NFT_MSG.DELSET, 0, table, [
    attribute(NFTA_SET.TABLE, text(table.name)),
    attribute(NFTA_SET.NAME, text(name)),
  ]);
}

/** Adds keys; those that are there already stay. */
export function addElements<K extends Types>(set: NamedSet<K>, keys: readonly Values<K>[]): Request[] {
  return changes(
    'add',
    set,
    keys.map((key) => [keyOf(key)]),
  );
}

/** Adds keys with their values; a key that is there with another value is refused (EEXIST). */
export function addEntries<K extends Types, D extends Types>(
  map: NamedMap<K, D>,
  entries: readonly { readonly key: Values<K>; readonly value: Values<D> }[],
): Request[] {
  return changes(
    'add',
    map,
    entries.map(({ key, value }) => [keyOf(key), encodeValue(NFTA_SET_ELEM.DATA, concatenate(value))]),
  );
}

/** Adds keys with their verdicts; a key that is there with another verdict is refused (EEXIST). */
export function addVerdicts<K extends Types>(
  map: VerdictMap<K>,
  entries: readonly { readonly key: Values<K>; readonly verdict: Verdict }[],
): Request[] {
  return changes(
    'add',
    map,
    entries.map(({ key, verdict }) => [keyOf(key), encodeVerdict(NFTA_SET_ELEM.DATA, verdict)]),
  );
}

/** Removes keys of a set or a map. A key that is not there is refused (ENOENT). */
export function deleteElements<K extends Types>(set: NamedSet<K>, keys: readonly Values<K>[]): Request[] {
  return changes(
    'delete',
    set,
    keys.map((key) => [keyOf(key)]),
  );
}

function keyOf(key: Values<Types>): Uint8Array {
  return encodeValue(NFTA_SET_ELEM.KEY, concatenate(key));
}

/** As many requests as it takes: a list is one attribute, whose size is limited. */
function changes(verb: 'add' | 'delete', { table, name }: NamedSet, elements: readonly (readonly Uint8Array[])[]): Request[] {
  const lists: Uint8Array[][] = [];
  let size = LIST_LIMIT;
  for (const element of elements.map((parts) => nested(NFTA_LIST_ELEM, ...parts))) {
    if (size + element.length > LIST_LIMIT) {
      lists.push([]);
      size = 0;
    }
    lists.at(-1)?.push(element);
    size += element.length;
  }
  const [type, flags, words] =
    verb === 'add'
      ? ([NFT_MSG.NEWSETELEM, NLM_F.CREATE, `add to the set ${name}`] as const)
      : ([NFT_MSG.DELSETELEM, 0, `delete from the set ${name}`] as const);
  return lists.map((list) =>
    requestFor(words, type, flags, table, [
      attribute(NFTA_SET_ELEM_LIST.TABLE, text(table.name)),
      attribute(NFTA_SET_ELEM_LIST.SET, text(name)),
      nested(NFTA_SET_ELEM_LIST.ELEMENTS, ...list),
    ]),
  );
}

/** A note for nft(8) alone, which shows the keys by it: in which order their bytes are. It finds that out itself where the types are several. */
function noteOfOrder([type, ...others]: Types): Uint8Array[] {
  if (type === undefined || others.length > 0) return [];
  const order = u32(dataTypes[type].host ? BYTEORDER.host : BYTEORDER.big);
  return [attribute(NFTA_SET.USERDATA, Uint8Array.of(NFTNL_UDATA_SET_KEYBYTEORDER, order.length), order)];
}

function dataAttributes(data: Types | 'verdict'): Uint8Array[] {
  const [type, size] = data === 'verdict' ? [NFT_DATA_VERDICT, 0] : [typeId(data), sizeOf(data)];
  return [attribute(NFTA_SET.DATA_TYPE, be32(type)), attribute(NFTA_SET.DATA_LEN, be32(size))];
}
