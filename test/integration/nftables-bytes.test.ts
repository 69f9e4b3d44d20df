import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { encodeBatch } from '../../lib/network/nftables/nfnetlink.js';
import { createTable } from '../../lib/network/nftables/table-requests.js';
import { type Attribute, readTree, sentBytes, type TreeMessage } from '../fixtures/netlink-tree.js';
import { bridgeRules, inetRules } from '../fixtures/nft-rules.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const { describe, it } = requires({ root: true, tools: ['nft', 'strace', 'unshare'] });
const folder = temporaryFolder();
const run = promisify(execFile);

/** What nft sends to the kernel for a ruleset, in a network namespace of its own. */
async function sentByNft(text: string): Promise<TreeMessage[]> {
  const [file, trace] = [join(folder, 'rules'), join(folder, 'trace')];
  writeFileSync(file, text);
  await run('unshare', ['-n', 'strace', '-o', trace, '-e', 'trace=sendmsg', '-e', 'write=3', 'nft', '-f', file], {
    // not with npm run test:sanitize's runtime
    env: { ...process.env, LD_PRELOAD: undefined },
  });
  return readTree(sentBytes(readFileSync(trace, 'utf8')));
}

const [NEWTABLE, NEWRULE, NEWSET, NEWSETELEM] = [0xa00, 0xa06, 0xa09, 0xa0c];
const LOOKUP = Buffer.from('lookup\0').toString('hex');

/**
 * What both must agree about. nft also tells its own notes for a listing (13: NFTA_SET_USERDATA), and numbers by which a batch may name a
 * set (NFTA_SET_ID 10, NFTA_SET_ELEM_LIST_SET_ID 4, NFTA_LOOKUP_SET_ID 4); and it wants tables that may be there already.
 */
function essence({ type, flags, family, attributes }: TreeMessage): object {
  const left = new Map([
    [NEWSET, [10, 13]],
    [NEWSETELEM, [4]],
  ]).get(type);
  const own = attributes.filter(([number]) => !left?.includes(number));
  return {
    type,
    family,
    ...(type === NEWTABLE ? {} : { flags: flags & ~4 }),
    attributes: sorted(type === NEWRULE ? own.map(withoutSetIds) : own),
  };
}

function withoutSetIds([number, value]: Attribute): Attribute {
  if (typeof value === 'string') return [number, value];
  const isLookup = value.some(([, inner]) => inner === LOOKUP);
  return [
    number,
    value.map(([key, inner]) => withoutSetIds([key, isLookup && typeof inner !== 'string' ? inner.filter(([id]) => id !== 4) : inner])),
  ];
}

/** The kernel reads the attributes of a message in any order; those of a list have one number, and stay in theirs. */
function sorted(attributes: readonly Attribute[]): Attribute[] {
  return attributes
    .map(([number, value]): Attribute => [number, typeof value === 'string' ? value : sorted(value)])
    .toSorted(([a], [b]) => a - b);
}

const inOrder = (messages: readonly TreeMessage[]): string[] =>
  messages
    .filter(({ type }) => type > 0xff)
    .map((message) => JSON.stringify(essence(message)))
    .toSorted();

describe('the bytes of rules', () => {
  it.each([
    ['inet', inetRules],
    ['bridge', bridgeRules],
  ] as const)('are those of nft in a table of the family %s', async (family, rules) => {
    const table = { family, name: 't' };
    const { text, requests } = rules(table);
    const own = readTree(Buffer.from(encodeBatch([createTable(table, { owned: false }), ...requests]).messages));
    expect(own.length).toBeGreaterThan(10);
    expect(inOrder(own)).toEqual(inOrder(await sentByNft(`table ${family} t {\n${text}\n}\n`)));
  });
});
