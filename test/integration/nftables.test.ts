import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { recordFiles } from '../../lib/host/journal.js';
import { reap } from '../../lib/index.js';
import { fibDaddrType, iifname, l4proto, thDport } from '../../lib/network/nftables/fields.js';
import { forgetConnections, forgetConnectionsOf, forgetEachOf } from '../../lib/network/nftables/forget-connections.js';
import { droppingChains } from '../../lib/network/nftables/forward-policies.js';
import { withNetfilter } from '../../lib/network/nftables/netfilter-socket.js';
import { OwnerTable } from '../../lib/network/nftables/owner-table.js';
import { addElements, addEntries, addSet, addVerdicts, deleteElements, deleteSet } from '../../lib/network/nftables/set-requests.js';
import { accept, dnatBy, equals, inState, jump, verdictOf } from '../../lib/network/nftables/statements.js';
import type { Chain, NamedMap, NamedSet, VerdictMap } from '../../lib/network/nftables/table.js';
import { addChain, addRule, deleteChain, flushChain } from '../../lib/network/nftables/table-requests.js';
import { addressType, ifname, inetProto, inetService, ipv4Addr } from '../../lib/network/nftables/values.js';
import { isAlive, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, makeNet, type Net, useNets } from '../fixtures/nets.js';
import { addressOf, bridgeRules, inetRules } from '../fixtures/nft-rules.js';
import { startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['nft', 'ip', 'unshare', 'nsenter'], kernel: '5.12' });
const folder = temporaryFolder();
useNets();

const base: Chain['base'] = { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' };

async function nft(net: Net, text: string): Promise<string> {
  const file = join(folder, 'rules');
  writeFileSync(file, text);
  return inside(net, 'nft', '-f', file);
}

/** What `nft` lists as JSON, without what it numbers anew each time. Not for tables that belong to a socket: nft 1.0.6 reads past its list of flags. */
async function listed(net: Net, ...what: string[]): Promise<Record<string, Record<string, unknown>>[]> {
  const { nftables } = JSON.parse(await inside(net, 'nft', '-j', 'list', ...what), (key, value) => (key === 'handle' ? undefined : value));
  return nftables.filter((entry: object) => !('metainfo' in entry));
}

/** What `nft` shows. */
function shown(net: Net): Promise<string> {
  return inside(net, 'nft', 'list', 'ruleset');
}

async function tables(net: Net): Promise<unknown[]> {
  return [...(await inside(net, 'nft', 'list', 'tables')).matchAll(/^table \w+ (\S+)$/gm)].map(([, name]) => name);
}

describe('a table of an owner', () => {
  it.each([
    ['inet', inetRules],
    ['bridge', bridgeRules],
  ] as const)('of the family %s has the rules that nft makes of the same words', async (family, rules) => {
    const [own, other] = [await makeNet(), await makeNet()];
    await using table = await OwnerTable.open({ family, namespace: own });
    const { text, requests } = rules(table.table);
    await table.apply('make the rules', requests);
    await nft(other, `table ${family} ${table.table.name} {\n${text}\n}\n`);
    const [head, mark, ...mine] = (await shown(own)).split('\n');
    const [named, ...theirs] = (await shown(other)).split('\n');
    expect([head, mark?.trim()]).toEqual([`${named} # progname nacelle-shim`, 'flags owner']);
    expect(mine.length).toBeGreaterThan(15);
    expect(mine.filter(String)).toEqual(theirs.filter(String));
  });

  it('is nobody else’s: others can’t change it, and a flush leaves it', async () => {
    const net = await makeNet();
    await using own = await OwnerTable.open({ namespace: net });
    await own.apply('add a chain', [addChain({ table: own.table, name: 'own', base })]);
    const before = await shown(net);
    expect(before).toMatch(/flags owner\n.*chain own/s);
    await nft(net, 'table ip other { chain c { }; }');
    expect(await tables(net)).toEqual([own.table.name, 'other']);
    await nft(net, 'flush ruleset');
    expect(await shown(net)).toEqual(before);
    for (const change of ['delete table', 'flush table']) {
      await expect(nft(net, `${change} inet ${own.table.name}`)).rejects.toThrow(/Operation not permitted/);
    }
  });

  it('belongs to its socket alone, also in one process', async () => {
    const net = await makeNet();
    await using one = await OwnerTable.open({ namespace: net });
    await using other = await OwnerTable.open({ namespace: net });
    expect((await tables(net)).toSorted()).toEqual([one.table.name, other.table.name].toSorted());
    await expect(one.apply('change another’s', [addChain({ table: other.table, name: 'c' })])).rejects.toMatchObject({
      code: 'EPERM',
      hint: expect.stringContaining('belongs to another socket'),
    });
    await one.close();
    expect(await tables(net)).toEqual([other.table.name]);
  });

  it('goes with the object', async () => {
    const net = await makeNet();
    const own = await OwnerTable.open({ namespace: net });
    expect(await tables(net)).toEqual([own.table.name]);
    await own.close();
    await own.close();
    expect(await tables(net)).toEqual([]);
    await expect(own.apply('add a chain', [addChain({ table: own.table, name: 'late' })])).rejects.toMatchObject({ code: 'ERR_ENDED' });
  });

  it.each(['Node', 'both'] as const)('goes with its owner, killed: %s', async (which) => {
    const net = await makeNet();
    const program = startNode('owner-table', [], { through: ['nsenter', '-t', String(net.pid), '-n'] });
    const line = await program.lines.next();
    if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
    const { owner, table }: { owner: string; table: string } = JSON.parse(line.value);
    expect(await tables(net)).toEqual([table]);
    expect(recordFiles(owner)).toEqual([]);
    const shim = shimOf(program.pid)?.pid;
    if (shim === undefined) throw new Error('it has no shim');
    if (which === 'both') process.kill(shim, 'SIGKILL');
    program.process.kill('SIGKILL');
    await program.ended;
    await until('the shim has ended too', () => !isAlive(shim));
    expect(await tables(net)).toEqual([]);
    await reap();
  });
});

describe('changes of a table', () => {
  it('are made by keys and names, as often as one likes', async () => {
    const net = await makeNet();
    await using own = await OwnerTable.open({ namespace: net });
    const { table } = own;
    const networks: VerdictMap<['ifname']> = { table, name: 'networks', key: ['ifname'], data: 'verdict' };
    const [forward, per]: Chain[] = [
      { table, name: 'forward', base },
      { table, name: 'per' },
    ];
    if (!forward || !per) throw new Error('no chains');
    const key = [ifname('br0')] as const;
    const enter = [addChain(per), flushChain(per), addRule(per, accept), ...addVerdicts(networks, [{ key, verdict: { jump: 'per' } }])];
    await own.apply('begin', [addSet(networks), addChain(forward), addRule(forward, verdictOf([iifname], networks))]);
    const begun = await shown(net);
    await own.apply('add a network', enter);
    const entered = await shown(net);
    expect(entered).toMatch(/elements = { "br0" : jump per }\n.*chain per {\n\s*accept\n/s);
    await own.apply('add it again', enter);
    expect(await shown(net)).toBe(entered);
    await own.apply('remove a network', [...deleteElements(networks, [key]), flushChain(per), deleteChain(per)]);
    expect(await shown(net)).toBe(begun);
    await own.apply('end', [flushChain(forward), deleteChain(forward), deleteSet(networks)]);
    expect(await shown(net)).not.toMatch(/chain|map/);
    await own.apply('do nothing', []);
  });

  it('are made all or none, and the error says which one was refused', async () => {
    const net = await makeNet();
    await using own = await OwnerTable.open({ namespace: net });
    const { table } = own;
    const [good, bad]: Chain[] = [
      { table, name: 'good' },
      { table, name: 'bad' },
    ];
    if (!good || !bad) throw new Error('no chains');
    const before = await shown(net);
    const wrong = own.apply('change the rules', [addChain(good), addChain(bad), addRule(bad, jump('nowhere')), addRule(good, accept)]);
    await expect(wrong).rejects.toMatchObject({
      code: 'ENOENT',
      step: 'netlink_batch',
      message: expect.stringMatching(/^change the rules: ENOENT .*: add a rule to the chain bad\)\. The kernel lacks a part of nftables/),
    });
    expect(await shown(net)).toBe(before);
    // the first of several is named
    await expect(own.apply('x', [deleteChain(good), addRule(bad, accept)])).rejects.toThrow(/delete the chain good/);
    // the kernel's own words, where it has some
    const nat: Chain = { table, name: 'x'.repeat(300) };
    await expect(own.apply('x', [addChain(nat)])).rejects.toMatchObject({ code: expect.stringMatching(/^(ENAMETOOLONG|ERANGE|EINVAL)$/) });
    await own.apply('go on', [addChain(good)]);
    expect(await shown(net)).toMatch(/chain good {\n\s*}/);
  });

  it('may be more than a socket takes at once', async () => {
    const net = await makeNet();
    await using own = await OwnerTable.open({ namespace: net });
    const set: NamedSet<['ifname', 'ipv4_addr']> = { table: own.table, name: 'leases', key: ['ifname', 'ipv4_addr'] };
    const keys = Array.from({ length: 8000 }, (_, n) => [ifname(`v${n}`), ipv4Addr(addressOf(`10.1.${n >> 8}.${n & 0xff || 1}`))] as const);
    await own.apply('add many', [addSet(set), ...addElements(set, keys)]);
    expect((await shown(net)).match(/"v\d+" \. 10\.1\./g)).toHaveLength(keys.length);
    // each of these is an answer of the kernel's
    const wrong = Array.from({ length: 3000 }, (_, n) => deleteChain({ table: own.table, name: `c${n}` }));
    await expect(own.apply('delete what is not there', wrong)).rejects.toThrow(/: delete the chain c0\)\. The kernel/);
    await own.apply('go on', [addChain({ table: own.table, name: 'own' })]);
  });
});

describe('the rules of a table', () => {
  it('lead connections elsewhere, whatever others flush, until the table goes', async () => {
    const net = await makeNet();
    await inside(net, 'ip', 'link', 'set', 'lo', 'up');
    await using server = await listen(net, 9090);
    await using own = await OwnerTable.open({ namespace: net });
    const { table } = own;
    const ports: NamedMap<['inet_proto', 'inet_service'], ['ipv4_addr', 'inet_service']> = {
      ...{ table, name: 'ports', key: ['inet_proto', 'inet_service'], data: ['ipv4_addr', 'inet_service'] },
    };
    const output: Chain = { table, name: 'output', base: { type: 'nat', hook: 'output', priority: -100, policy: 'accept' } };
    const key = [inetProto('tcp'), inetService(8080)] as const;
    await own.apply('publish a port', [
      addSet(ports),
      addChain(output),
      addRule(output, equals(fibDaddrType, addressType('local')), dnatBy([l4proto, thDport], ports)),
      ...addEntries(ports, [{ key, value: [ipv4Addr(addressOf('127.0.0.1')), inetService(server.port)] }]),
    ]);
    expect(await answerFrom(net, 8080)).toBe('hello');
    await nft(net, 'flush ruleset');
    expect(await answerFrom(net, 8080)).toBe('hello');
    await own.apply('take it back', deleteElements(ports, [key]));
    expect(await answerFrom(net, 8080)).toBe('ECONNREFUSED');
    await own.apply('publish it again', addEntries(ports, [{ key, value: [ipv4Addr(addressOf('127.0.0.1')), inetService(server.port)] }]));
    expect(await answerFrom(net, 8080)).toBe('hello');
    await own.close();
    expect(await answerFrom(net, 8080)).toBe('ECONNREFUSED');
  });
});

describe('what is there of others', () => {
  const br0 = { link: 'br0', subnets: [] };

  it('are the chains that drop what is forwarded', async () => {
    const net = await makeNet();
    expect(await droppingChains(br0, [4, 6], { namespace: net })).toEqual([]);
    await nft(
      net,
      `table ip filter {
         chain INPUT { type filter hook input priority 0; policy drop; }
         chain FORWARD { type filter hook forward priority 0; policy drop; }
         chain DOCKER-USER { }
       }
       table inet firewalld {
         chain f { type filter hook forward priority 10; policy accept; }
         chain g { type filter hook forward priority 11; policy drop; }
       }
       table ip6 mangle {
         chain m { type filter hook forward priority -150; policy drop; }
       }
       table bridge b {
         chain f { type filter hook forward priority 0; policy drop; }
       }
       table arp a {
         chain out { type filter hook output priority 0; policy drop; }
       }`,
    );
    const chains = (await listed(net, 'chains')).flatMap(({ chain }) =>
      chain?.hook === 'forward' && chain.family !== 'bridge' && chain.policy === 'drop' ? [chain] : [],
    );
    const found = await droppingChains(br0, [4, 6], { namespace: net });
    expect(found).toHaveLength(3);
    const dropping = chains.map(({ prio, ...chain }) => ({ ...chain, priority: prio, reached: [chain.name] }));
    expect(found).toEqual(expect.arrayContaining(dropping));
    const ofIpv6 = await droppingChains(br0, [6], { namespace: net });
    expect(ofIpv6.map(({ family }) => family).toSorted()).toEqual(['inet', 'ip6']);
  });

  it('are connections to a port, which are forgotten', async () => {
    const net = await makeNet();
    await withFlows(net, async (entries) => {
      const to = { protocol: 'udp', port: 5001 } as const;
      expect(await forgetConnections({ ...to, address: addressOf('127.0.0.1') }, { namespace: net })).toBe(1);
      expect(await entries()).toEqual([`${V6} 5001`, `${V6} 5001`, `${V6} 5002`, '127.0.0.2 5001', '127.0.0.3 5002'].toSorted());
      expect(await forgetConnections({ ...to, address: addressOf('::2') }, { namespace: net })).toBe(0);
      expect(await forgetConnections({ ...to, address: addressOf('::1') }, { namespace: net })).toBe(2);
      await send(net, '::1', 5001);
      expect(await forgetConnections({ ...to, address: { family: 6 } }, { namespace: net })).toBe(1);
      expect(await forgetConnections({ ...to, protocol: 'tcp', address: { family: 4 } }, { namespace: net })).toBe(0);
      expect(await forgetConnections({ ...to, address: { family: 4 } }, { namespace: net })).toBe(1);
      expect(await entries()).toEqual([`${V6} 5002`, '127.0.0.3 5002'].toSorted());
      // more than are listed at once
      const script = `const socket = require('node:dgram').createSocket('udp4');
        socket.bind(5003, async () => {
          for (let i = 256; i < 8192 + 256; i++) await new Promise((sent) => socket.send('x', 5001, '127.0.' + (i >> 8) + '.' + (i & 255), sent));
          socket.close();
        });`;
      await inside(net, process.execPath, '-e', script);
      const many = Number.parseInt(await inside(net, 'wc', '-l', '/proc/self/net/nf_conntrack'), 10) - 2;
      expect(many).toBeGreaterThan(8000);
      expect(await forgetConnections({ ...to, address: { family: 4 } }, { namespace: net })).toBe(many);
      expect(await entries()).toEqual([`${V6} 5002`, '127.0.0.3 5002'].toSorted());
    });
  });

  it.each([
    ['by the kernel', forgetConnectionsOf],
    ['one by one', forgetEachOf],
  ])('are connections of an address, which are forgotten: %s', async (_, forget) => {
    const net = await makeNet();
    await withFlows(net, async (entries) => {
      const forgetAll = (...addresses: string[]): Promise<void> =>
        withNetfilter({ namespace: net }, (task, socket) => forget(task, socket, addresses.map(addressOf)));
      await forgetAll('127.0.0.2');
      expect(await entries()).toEqual([`${V6} 5001`, `${V6} 5001`, `${V6} 5002`, '127.0.0.1 5001', '127.0.0.3 5002'].toSorted());
      await forgetAll('127.0.0.4', '::1', '127.0.0.3');
      expect(await entries()).toEqual(['127.0.0.1 5001']);
      // the last ones are those from the address to others
      await send(net, '127.0.0.2', 5001);
      await forgetAll('127.0.0.1');
      expect(await entries()).toEqual(['']);
    });
  });
});

const V6 = '0000:0000:0000:0000:0000:0000:0000:0001';

/** Has the kernel keep connections, of which there are some: of UDP from the loopback's first address to its first three, and of IPv6. */
async function withFlows(net: Net, use: (entries: () => Promise<string[]>) => Promise<void>): Promise<void> {
  await inside(net, 'ip', 'link', 'set', 'lo', 'up');
  await using own = await OwnerTable.open({ namespace: net });
  const input: Chain = { table: own.table, name: 'input', base: { type: 'filter', hook: 'input', priority: 0, policy: 'accept' } };
  // whoever asks for states has the kernel keep connections
  await own.apply('keep connections', [addChain(input), addRule(input, inState('new'), accept)]);
  // on a slow machine the kernel would forget them meanwhile
  await inside(net, 'sh', '-c', 'echo 3600 > /proc/sys/net/netfilter/nf_conntrack_udp_timeout');
  for (const [n, port] of [5001, 5001, 5002].entries()) {
    for (const address of [`127.0.0.${n + 1}`, '::1']) await send(net, address, port);
  }
  const entries = async (): Promise<string[]> => {
    const text = (await inside(net, 'cat', '/proc/self/net/nf_conntrack')).trim();
    return text
      .split('\n')
      .map((line) => /dst=(\S+) sport=\d+ dport=(\d+)/.exec(line)?.slice(1).join(' ') ?? '')
      .toSorted();
  };
  expect(await entries()).toEqual(
    [`${V6} 5001`, `${V6} 5001`, `${V6} 5002`, '127.0.0.1 5001', '127.0.0.2 5001', '127.0.0.3 5002'].toSorted(),
  );
  await use(entries);
}

/** One datagram, in the network namespace. */
async function send(net: Net, address: string, port: number): Promise<void> {
  const script = `const s = require('node:dgram').createSocket('${address.includes(':') ? 'udp6' : 'udp4'}'); s.send('x', ${port}, '${address}', () => s.close())`;
  const child = spawn('nsenter', ['-t', String(net.pid), '-n', process.execPath, '-e', script], { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
}

/** A server in the network namespace, which says hello. */
async function listen(net: Net, port: number): Promise<{ port: number; [Symbol.asyncDispose](): Promise<void> }> {
  const script = `require('node:net').createServer((s) => s.on('error', () => undefined).end('hello')).listen(${port}, '127.0.0.1', () => console.log('ready'))`;
  const child = spawn('nsenter', ['-t', String(net.pid), '-n', process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  return {
    port,
    async [Symbol.asyncDispose](): Promise<void> {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** What a connection to the port brings, or why there is none. */
function answerFrom(net: Net, port: number): Promise<string> {
  const script = `require('node:net').connect(${port}, '127.0.0.1').on('error', (e) => process.stdout.write(e.code)).pipe(process.stdout)`;
  return inside(net, process.execPath, '-e', script);
}
