import { describe, expect, it } from 'vitest';
import { droppingOf } from '../../../../lib/network/nftables/forward-policies.js';
import { encodeRequest, type Request } from '../../../../lib/network/nftables/nfnetlink.js';
import { counter, drop, type Statement } from '../../../../lib/network/nftables/statements.js';
import type { Chain, Table } from '../../../../lib/network/nftables/table.js';
import { addChain, addRule } from '../../../../lib/network/nftables/table-requests.js';
import { cidrOf } from '../../../fixtures/nft-rules.js';

const packets = { link: 'ncl-1', subnets: [cidrOf('10.1.0.0/24')] };
const NLM_F_DUMP_INTR = 0x10;

const [many, other]: [Table, Table] = [
  { family: 'inet', name: 'many' },
  { family: 'inet', name: 'other' },
];

function forward(table: Table, name: string, policy: 'accept' | 'drop', priority = 0): Chain {
  return { table, name, base: { type: 'filter', hook: 'forward', priority, policy } };
}

/** A kernel that has these chains and rules, and where others change the rules of some tables all the time. */
class Kernel {
  readonly asked: string[] = [];
  readonly #chains: readonly Chain[];
  readonly #rules: readonly (readonly [Chain, Statement])[];
  readonly #restless: readonly Table[];

  constructor(chains: readonly Chain[], rules: readonly (readonly [Chain, Statement])[], restless: readonly Table[] = []) {
    this.#chains = chains;
    this.#rules = rules;
    this.#restless = restless;
  }

  readonly answer = async (what: string, request: Uint8Array): Promise<Uint8Array> => {
    if (what.includes('chains')) return told(this.#chains.map(addChain), false);
    const table = [many, other].find(({ name }) => Buffer.from(request).includes(`${name}\0`));
    this.asked.push(table?.name ?? '');
    const rules = this.#rules.filter(([chain]) => chain.table === table);
    const requests = rules.map(([chain, statement]) => addRule(chain, statement));
    return told(
      requests,
      this.#restless.some((one) => one === table),
    );
  };

  async dropping(): Promise<string[]> {
    return (await droppingOf(packets, [4], this.answer)).map(({ table, name }) => `${table} ${name}`);
  }
}

function told(requests: readonly Request[], isInterrupted: boolean): Uint8Array {
  const more = isInterrupted ? NLM_F_DUMP_INTR : 0;
  return Buffer.concat(requests.map((request) => encodeRequest({ ...request, flags: request.flags | more })));
}

describe('the chains that drop what is forwarded', () => {
  const [early, late, alone] = [
    forward(many, 'early', 'accept', -10),
    forward(many, 'late', 'accept', 10),
    forward(other, 'alone', 'drop'),
  ];

  it('are found with one listing of each table', async () => {
    const kernel = new Kernel(
      [early, late, alone],
      [
        [late, drop],
        [early, counter],
      ],
    );
    expect(await kernel.dropping()).toEqual(['many late', 'other alone']);
    expect(kernel.asked).toEqual(['many', 'other']);
  });

  it('are not those that accept, where their rules change all the time', async () => {
    const kernel = new Kernel([early, late, alone], [[late, drop]], [many]);
    expect(await kernel.dropping()).toEqual(['other alone']);
    // the second chain has it tried no more
    expect(new Set(kernel.asked.slice(0, -1))).toEqual(new Set(['many']));
    expect(kernel.asked).toHaveLength(21);
  });

  it('can be unknown where the policy is to drop', async () => {
    const kernel = new Kernel([alone], [[alone, drop]], [other]);
    await expect(kernel.dropping()).rejects.toMatchObject({ code: 'ERR_NETLINK' });
  });
});
