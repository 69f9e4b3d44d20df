import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, names, useNets } from '../fixtures/nets.js';
import { startNode } from '../fixtures/node.js';
import { ASK } from '../fixtures/ports.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { type Machine, machineInWorld, WORLD_TOOLS } from '../fixtures/world.js';

// The ports of a container on several networks, whose links, as this machine's, only take what would be answered by them
// (rp_filter = 1, ip-sysctl.rst).
const { describe, it } = requires({ root: true, containers: true, tools: [...WORLD_TOOLS, 'nft', 'sh'], kernel: '5.12' });

useLeakCheck();
const temporary = temporaryFolder();
useNets();

const WORLD = { near: ['192.0.2.2', '2001:db8::2'], far: ['203.0.113.9', '2001:db8:f::9'] };

/** What is seen of who asks from the world, by an address of the link's network and by another. */
async function fromWorld({ world }: Machine, protocols: readonly string[]): Promise<string[]> {
  const asked: string[] = [];
  const once = (protocol: string, address: string): Promise<string> =>
    inside(world, process.execPath, '-e', ASK, protocol, address, '8081');
  // the first packet of all may be lost while a link looks for who has the address
  const ask = async (protocol: string, address: string): Promise<string> => {
    const got = await once(protocol, address);
    return got === 'nothing' ? once(protocol, address) : got;
  };
  for (const [four = '', six = ''] of [WORLD.near, WORLD.far]) {
    await inside(world, 'ip', 'route', 'replace', '192.0.2.1', 'dev', 'w0', 'src', four);
    await inside(world, 'ip', '-6', 'route', 'replace', '2001:db8::1', 'dev', 'w0', 'src', six);
    asked.push(
      ...(await Promise.all(protocols.flatMap((protocol) => ['192.0.2.1', '2001:db8::1'].map((address) => ask(protocol, address))))),
    );
  }
  return asked;
}

/** A server of UDP at all addresses answers from the address of the link by which the client's lies, whichever was asked (udp(7): IP_PKTINFO). */
const hasOtherWay = ({ first, later }: { first: string[]; later: string[] }): boolean => [...first, ...later].includes('lan');

const cases = [
  { name: 'two bridges', first: ['a', 'b'], later: [], restarts: false, rules: 4 },
  { name: 'the other one first', first: ['b', 'a'], later: [], restarts: false, rules: 4 },
  { name: "a link's network first", first: ['lan', 'a'], later: [], restarts: false, rules: 4 },
  { name: "a link's network second", first: ['a', 'lan'], later: [], restarts: false, rules: 4 },
  { name: 'networks that come later', first: ['a'], later: ['lan', 'b'], restarts: false, rules: 6 },
  { name: 'networks of its second run', first: ['a'], later: ['b', 'lan'], restarts: true, rules: 6 },
];

describe('a published port of a container on several networks', () => {
  it.each(cases)('is answered by the link that it leads to: $name', async ({ rules, ...told }) => {
    const machine = await machineInWorld(temporary);
    const { net, world } = machine;
    for (const address of WORLD.far) await inside(world, 'ip', 'addr', 'add', address, 'dev', 'lo');
    await inside(net, 'sh', '-ec', 'for of in all default; do echo 1 > /proc/sys/net/ipv4/conf/$of/rp_filter; done');
    const program = startNode('several-networks', [JSON.stringify(told)], machine.from);
    const line = async (): Promise<{ seen: string[]; rules: string[] }> => {
      const next = await program.lines.next();
      if (next.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
      return JSON.parse(next.value);
    };
    const before = await line();
    // whoever asks from a container has this machine's address in the network that the port leads to
    const own = told.first[0] === 'b' ? '10.2.0.1' : '10.1.0.1';
    expect(before.seen).toEqual(Array.from({ length: 4 }, () => own));
    expect(before.rules).toHaveLength(rules);
    const protocols = hasOtherWay(told) ? ['tcp'] : ['tcp', 'udp'];
    const each = [WORLD.near, WORLD.far].flatMap((from) => protocols.flatMap(() => from));
    expect(await fromWorld(machine, protocols)).toEqual(each);
    for (const address of ['192.0.2.1', '2001:db8::1']) {
      expect(await inside(net, process.execPath, '-e', ASK, 'tcp', address, '8081')).toBe(address);
    }
    program.process.kill('SIGUSR2');
    if (told.first[0] === 'a') expect((await line()).rules).toEqual([]);
    const { code, stderr } = await program.ended;
    expect([code, stderr]).toEqual([0, '']);
    await until('no link is left', async () => (await names(net)).join() === 'up0');
  });
});
