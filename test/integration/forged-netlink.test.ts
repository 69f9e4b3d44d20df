import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { isNacelleError } from '../../lib/errors.js';
import { during } from '../../lib/native/host-work.js';
import type { Task } from '../../lib/native/task.js';
import { parseLink } from '../../lib/network/link.js';
import { encodeBatch, type Request } from '../../lib/network/nftables/nfnetlink.js';
import type { Table } from '../../lib/network/nftables/table.js';
import { addChain } from '../../lib/network/nftables/table-requests.js';
import { getLink } from '../../lib/network/rtnetlink.js';
import { NETLINK_NETFILTER, NETLINK_ROUTE } from '../../lib/plan/constants.js';
import { NONE, planOf, Slots } from '../../lib/plan/plan.js';
import type { Slot, Step } from '../../lib/plan/steps.js';
import { compile } from '../fixtures/compile.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, makeNet, type Net, useNets } from '../fixtures/nets.js';
import { requires } from '../fixtures/requires.js';

// Whoever has CAP_NET_ADMIN over a network namespace, as a container of it may, can send to all netlink sockets there.
useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['gcc', 'nft', 'unshare', 'nsenter'], kernel: '5.12' });
useNets();

/** The only netlink socket of a protocol that a process has in a network namespace (netlink(7): /proc/net/netlink). */
function socketIn(net: Net, protocol: number): { port: string; waiting: number } {
  const rows = readFileSync(`/proc/${net.pid}/net/netlink`, 'utf8').split('\n');
  const found = rows.map((row) => row.trim().split(/\s+/)).filter(([, eth, port]) => eth === String(protocol) && port !== '0');
  expect(found).toHaveLength(1);
  return { port: found[0]?.[2] ?? '', waiting: Number(found[0]?.[4]) };
}

/** Calls a step two times: the first one gives the socket its port, and forged answers wait in the socket before the second one. */
async function forged(net: Net, protocol: number, step: (socket: Slot) => Step): Promise<Told> {
  const slots = new Slots();
  const [ns, socket] = [slots.give(net.fd), slots.take()];
  const plan = planOf({ prepare: [{ op: 'netlink_socket', host: true, out: socket, ns, protocol }] });
  return during(plan, slots.descriptors, async (task) => {
    const before = await told(task.call([step(socket)]));
    await inside(net, compile('forge-netlink'), String(protocol), socketIn(net, protocol).port);
    expect(socketIn(net, protocol).waiting).toBeGreaterThan(0);
    const after = await told(task.call([step(socket)]));
    expect(socketIn(net, protocol).waiting).toBe(0);
    expect(after.code).toBe(before.code);
    return after;
  });
}

interface Told {
  /** `null`: the kernel has done what was asked. */
  readonly code: string | null;
  readonly outputs: readonly Uint8Array[];
}

async function told(call: ReturnType<Task['call']>): Promise<Told> {
  try {
    return { code: null, outputs: (await call).outputs };
  } catch (error) {
    if (!isNacelleError(error)) throw error;
    return { code: error.code, outputs: [] };
  }
}

const what = 'ask the kernel';
const shop: Table = { family: 'inet', name: 'shop' };

describe('a forged answer', () => {
  it('is none to a request', async () => {
    const request = { what, message: getLink({ name: 'lo' }), patch: NONE, patch_offset: 0 };
    const { outputs } = await forged(await makeNet(), NETLINK_ROUTE, (socket) => ({ op: 'netlink', host: true, socket, ...request }));
    expect(parseLink(outputs[0] ?? new Uint8Array())).toMatchObject({ name: 'lo', index: 1 });
  });

  it('is none to a request for a list', async () => {
    const list = { what, message: getLink({ name: 'lo' }), having: Buffer.from('lo\0'), most: 2 ** 20 };
    const { outputs } = await forged(await makeNet(), NETLINK_ROUTE, (socket) => ({ op: 'netlink_list', host: true, socket, ...list }));
    expect(parseLink(outputs[0] ?? new Uint8Array())).toMatchObject({ name: 'lo', index: 1 });
  });

  it('is none to a batch, whether that is done or refused', async () => {
    const net = await makeNet();
    const batch = async (...requests: Request[]) =>
      (await forged(net, NETLINK_NETFILTER, (socket) => ({ op: 'netlink_batch', host: true, socket, what, ...encodeBatch(requests) })))
        .code;
    await inside(net, 'nft', 'add', 'table', 'inet', 'shop');
    expect(await batch(addChain({ table: { ...shop, name: 'none' }, name: 'out' }))).toBe('ENOENT');
    expect(await batch(addChain({ table: shop, name: 'in' }))).toBe(null);
    expect(await inside(net, 'nft', 'list', 'table', 'inet', 'shop')).toBe('table inet shop {\n\tchain in {\n\t}\n}\n');
  });
});
