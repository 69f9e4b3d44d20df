import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { NETAVARK, NETAVARK_TOOLS, Netavark } from '../fixtures/netavark.js';
import { inside, names, useNets } from '../fixtures/nets.js';
import { startNode } from '../fixtures/node.js';
import { ASK } from '../fixtures/ports.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { type Machine, machineInWorld, tellWhoAsks, WORLD_TOOLS } from '../fixtures/world.js';

useLeakCheck();
const needs = { root: true, tools: [...WORLD_TOOLS, ...NETAVARK_TOOLS, 'nft'], kernel: '5.12' };
const { describe, it } = requires(needs);
const podman = requires({ ...needs, programs: [NETAVARK] });
const temporary = temporaryFolder();
useNets();

/** Asks for a name at a server of names. */
const RESOLVE = `
  const [server, name] = process.argv.slice(1);
  const resolver = new (require('node:dns').promises.Resolver)({ timeout: 2000, tries: 1 });
  resolver.setServers([server]);
  resolver.resolve4(name).then((all) => console.log(all.join()), (error) => console.log(error.code));`;

type From = 'web' | 'near' | 'far' | 'inner' | 'machine' | 'world';
/** Who connects to which address and port, and whether each of the two lets that through; one where both do the same. */
type Row = readonly [
  from: From,
  what: string,
  address: string,
  port: number,
  both: boolean | readonly [nacelle: boolean, netavark: boolean],
];

const MATRIX: readonly Row[] = [
  ['near', 'the same network', '10.1.0.10', 80, true],
  ['near', 'the same network, IPv6', 'fd00:1::a', 80, true],
  // podman isolates networks by the option isolate alone
  ['near', 'another network', '10.2.0.10', 80, [false, true]],
  ['near', 'another network, IPv6', 'fd00:2::a', 80, [false, true]],
  ['near', 'an internal network', '10.3.0.10', 80, false],
  ['inner', 'another network from an internal one', '10.1.0.10', 80, false],
  ['inner', 'its own internal network', '10.3.0.11', 80, true],
  ['inner', 'the world from an internal network', '192.0.2.2', 9000, false],
  ['near', 'the world', '192.0.2.2', 9000, true],
  ['near', 'the world, IPv6', '2001:db8::2', 9000, true],
  ['machine', 'a container', '10.1.0.10', 80, true],
  ['machine', 'a container, IPv6', 'fd00:1::a', 80, true],
  ['machine', 'a container of an internal network', '10.3.0.10', 80, true],
  ['world', 'a container by its own address', '10.1.0.10', 80, [false, true]],
  ['world', 'a published port', '192.0.2.1', 8081, true],
  ['world', 'a published port, IPv6', '2001:db8::1', 8081, true],
  ['world', 'a port of the loopback', '192.0.2.1', 8080, false],
  ['machine', 'a port of the loopback', '127.0.0.1', 8080, true],
  ['machine', 'a published port by the loopback', '127.0.0.1', 8081, true],
  ['machine', 'a published port', '192.0.2.1', 8081, true],
  ['near', 'a published port of a neighbour', '192.0.2.1', 8081, true],
  // its bridge sends nothing back to the port that it came from
  ['web', 'its own published port (hairpin)', '192.0.2.1', 8081, [true, false]],
  ['far', 'a published port of another network', '192.0.2.1', 8081, true],
];
const NAMES = [
  ['near', 'web', '10.1.0.10'],
  ['near', 'www', '10.1.0.10'],
  ['far', 'web', 'none'],
] as const;

const isAnswer = (said: string): boolean => !['', 'nothing'].includes(said) && !/^E[A-Z]+$/.test(said);
const isName = (said: string): string => (/^[\d.,]+$/.test(said.trim()) ? [...new Set(said.trim().split(','))].join() : 'none');

async function seenOf(
  machine: Machine,
  within: (from: string, args: readonly string[]) => Promise<string>,
  server: (from: string) => string,
): Promise<{ reached: string[]; names: string[] }> {
  const ask = (from: From, args: readonly string[]): Promise<string> => {
    if (from === 'machine') return inside(machine.net, process.execPath, '-e', ...args);
    return from === 'world' ? inside(machine.world, process.execPath, '-e', ...args) : within(from, args);
  };
  const reached: string[] = [];
  for (const [from, what, address, port] of MATRIX) {
    reached.push(`${from} → ${what}: ${isAnswer(await ask(from, [ASK, 'tcp', address, String(port)]))}`);
  }
  const found: string[] = [];
  for (const [from, name] of NAMES) found.push(`${from} → ${name}: ${isName(await ask(from, [RESOLVE, server(from), name]))}`);
  return { reached, names: found };
}

const expected = (which: 0 | 1): string[] =>
  MATRIX.map(([from, what, , , both]) => `${from} → ${what}: ${typeof both === 'boolean' ? both : both[which]}`);
const expectedNames = NAMES.map(([from, name, answer]) => `${from} → ${name}: ${answer}`);

/** The world finds the way to containers, so nothing but rules keeps packets from them. */
async function machineWithWays(): Promise<Machine> {
  const machine = await machineInWorld(temporary);
  await inside(machine.world, 'ip', 'route', 'add', '10.0.0.0/8', 'via', '192.0.2.1');
  return machine;
}

describe('who reaches whom', () => {
  it('on networks of this library', async () => {
    const machine = await machineWithWays();
    await using _ = await tellWhoAsks(machine);
    const inContainers = MATRIX.filter(([from]) => from !== 'machine' && from !== 'world');
    const askings = [
      ...inContainers.map(([from, , address, port]) => [from, ASK, 'tcp', address, String(port)]),
      ...NAMES.map(([from, name]) => [from, RESOLVE, '127.0.0.11', name]),
    ];
    const program = startNode('reachability', [JSON.stringify(askings)], machine.from);
    const line = await program.lines.next();
    if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
    const answers: string[] = JSON.parse(line.value);
    // in the order in which they are asked for
    const seen = await seenOf(
      machine,
      async () => answers.shift() ?? '',
      () => '127.0.0.11',
    );
    expect(seen).toEqual({ reached: expected(0), names: expectedNames });
    program.process.kill('SIGUSR2');
    expect((await program.ended).stderr).toBe('');
    await until('no link is left', async () => (await names(machine.net)).join() === 'up0');
  });

  podman.it("on podman's, by netavark and aardvark-dns", async () => {
    const machine = await machineWithWays();
    await using _ = await tellWhoAsks(machine);
    await using netavark = await Netavark.open(machine.net);
    // without an address: all, of both families
    const ports = [
      { host_ip: '', host_port: 8081 },
      { host_ip: '127.0.0.1', host_port: 8080 },
    ];
    await netavark.add({ name: 'web', network: 'a', ips: ['10.1.0.10', 'fd00:1::a'], aliases: ['www'], ports });
    await netavark.add({ name: 'near', network: 'a', ips: ['10.1.0.11', 'fd00:1::b'] });
    await netavark.add({ name: 'far', network: 'b', ips: ['10.2.0.10', 'fd00:2::a'] });
    await netavark.add({ name: 'inner', network: 'c', ips: ['10.3.0.10', 'fd00:3::a'] });
    await netavark.add({ name: 'deep', network: 'c', ips: ['10.3.0.11', 'fd00:3::b'] });
    const gateways: Readonly<Record<string, string>> = { near: '10.1.0.1', far: '10.2.0.1' };
    const seen = await seenOf(
      machine,
      (from, args) => netavark.within(from, process.execPath, '-e', ...args),
      (from) => gateways[from] ?? '',
    );
    expect(seen).toEqual({ reached: expected(1), names: expectedNames });
  });
});
