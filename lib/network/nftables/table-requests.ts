import { attribute, NLM_F, text } from '../netlink.js';
import { encodeExpressions } from './expressions.js';
import { be32, nested, type Request } from './nfnetlink.js';
import { expressionsOf, type Statement } from './statements.js';
import { type Base, type Chain, hooks, policies, requestFor, type Table } from './table.js';

// Tables, chains and rules of nftables as requests. Each names what it is about, so that none needs an answer of the kernel's first.

export const NFT_MSG = { NEWTABLE: 0, DELTABLE: 2, NEWCHAIN: 3, GETCHAIN: 4, DELCHAIN: 5, NEWRULE: 6, GETRULE: 7, DELRULE: 8 } as const;
export const NFTA_CHAIN = { TABLE: 1, NAME: 3, HOOK: 4, POLICY: 5, TYPE: 7 } as const;
export const NFTA_HOOK = { NUM: 1, PRIORITY: 2 } as const;

const NFTA_TABLE = { NAME: 1, FLAGS: 2 } as const;
export const NFTA_RULE = { TABLE: 1, CHAIN: 2, EXPRESSIONS: 4 } as const;
const NFT_TABLE_F_OWNER = 2;
const NLM_F_APPEND = 0x800;

/**
 * Makes a table, which must not be there yet.
 *
 * @param options.owned it belongs to the socket: only that changes it, `flush ruleset` of others leaves it, and it goes when the socket is
 * closed (since Linux 5.12; before, the kernel answers EINVAL or EOPNOTSUPP). Else it goes with its network namespace
 */
export function createTable(table: Table, { owned }: { owned: boolean }): Request {
  return requestFor(`create the table ${table.name}`, NFT_MSG.NEWTABLE, NLM_F.CREATE | NLM_F.EXCL, table, [
    attribute(NFTA_TABLE.NAME, text(table.name)),
    attribute(NFTA_TABLE.FLAGS, be32(owned ? NFT_TABLE_F_OWNER : 0)),
  ]);
}

/** Makes a table where it is not there. */
export function haveTable(table: Table): Request {
  return requestFor(`have the table ${table.name}`, NFT_MSG.NEWTABLE, NLM_F.CREATE, table, [attribute(NFTA_TABLE.NAME, text(table.name))]);
}

/** Removes a table with all that is in it. */
export function deleteTable(table: Table): Request {
  return requestFor(`delete the table ${table.name}`, NFT_MSG.DELTABLE, 0, table, [attribute(NFTA_TABLE.NAME, text(table.name))]);
}

/** Adds a chain; one that is there already stays, with its rules. */
export function addChain({ table, name, base }: Chain): Request {
  return requestFor(`add the chain ${name}`, NFT_MSG.NEWCHAIN, NLM_F.CREATE, table, [
    attribute(NFTA_CHAIN.TABLE, text(table.name)),
    attribute(NFTA_CHAIN.NAME, text(name)),
    ...(base ? baseAttributes(base) : []),
  ]);
}

/** Removes a chain, which must have no rules and be the goal of no jump. */
export function deleteChain({ table, name }: Chain): Request {
  return requestFor(`delete the chain ${name}`, NFT_MSG.DELCHAIN, 0, table, [
    attribute(NFTA_CHAIN.TABLE, text(table.name)),
    attribute(NFTA_CHAIN.NAME, text(name)),
  ]);
}

/** Adds a rule at the end of a chain. */
export function addRule({ table, name }: Chain, ...statements: readonly Statement[]): Request {
  return requestFor(`add a rule to the chain ${name}`, NFT_MSG.NEWRULE, NLM_F.CREATE | NLM_F_APPEND, table, [
    attribute(NFTA_RULE.TABLE, text(table.name)),
    attribute(NFTA_RULE.CHAIN, text(name)),
    nested(NFTA_RULE.EXPRESSIONS, ...encodeExpressions(expressionsOf(statements, table.family))),
  ]);
}

/** Removes all rules of a chain. */
export function flushChain({ table, name }: Chain): Request {
  return requestFor(`flush the chain ${name}`, NFT_MSG.DELRULE, 0, table, [
    attribute(NFTA_RULE.TABLE, text(table.name)),
    attribute(NFTA_RULE.CHAIN, text(name)),
  ]);
}

function baseAttributes({ type, hook, priority, policy }: Base): Uint8Array[] {
  return [
    attribute(NFTA_CHAIN.TYPE, text(type)),
    attribute(NFTA_CHAIN.POLICY, be32(policies[policy])),
    nested(NFTA_CHAIN.HOOK, attribute(NFTA_HOOK.NUM, be32(hooks[hook])), attribute(NFTA_HOOK.PRIORITY, be32(priority))),
  ];
}
