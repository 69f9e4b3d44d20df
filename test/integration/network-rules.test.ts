import { expect } from 'vitest';
import { frames, framesProgram, HONEST } from '../fixtures/frames.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, names, useNets } from '../fixtures/nets.js';
import { forwards, rules } from '../fixtures/network-rules.js';
import { runNode, startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { machineInWorld, tellWhoAsks, WORLD_TOOLS } from '../fixtures/world.js';

useLeakCheck();
const { describe, it } = requires({
  root: true,
  containers: true,
  tools: [...WORLD_TOOLS, 'nft', 'ping', 'python3', 'bridge'],
  kernel: '5.12',
});
const iptables = requires({ root: true, containers: true, tools: [...WORLD_TOOLS, 'nft', 'ping', 'iptables-nft', 'iptables-nft-restore'] });
const temporary = temporaryFolder();
useNets();

/** What firewalld 1.3.3 makes of its defaults for what is forwarded, of what its zone trusted has, and of the zone and the policy in docs/networks.md. */
const FIREWALLD = (zones: string): string => `table inet firewalld {
  chain filter_FWD_public { jump filter_FWD_public_allow; reject with icmpx admin-prohibited; }
  chain filter_FWD_public_allow { }
  chain filter_FWD_trusted { jump filter_FWD_trusted_allow; accept; }
  chain filter_FWD_trusted_allow { oifname "ncl-*" accept; }
  chain filter_FWD_nacelle { iifname "ncl-*" jump filter_FWD_policy_nacelle-out; reject with icmpx admin-prohibited; }
  chain filter_FWD_policy_nacelle-out { accept; }
  chain filter_FORWARD_ZONES { ${zones}; goto filter_FWD_public; }
  chain filter_FORWARD {
    type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    ip6 daddr { ::/96, ::ffff:0.0.0.0/96, 2002::/24 } reject with icmpv6 addr-unreachable
    jump filter_FORWARD_ZONES
    reject with icmpx admin-prohibited
  }
}`;
/** Of `firewall-cmd --zone=trusted --add-interface=ncl-+`, of `--add-source=10.89.0.0/24`, and of `--zone=nacelle --add-interface=ncl-+`. */
const ZONES = {
  link: 'iifname "ncl-*" goto filter_FWD_trusted',
  source: 'ip saddr 10.89.0.0/24 goto filter_FWD_trusted',
  policy: 'iifname "ncl-*" goto filter_FWD_nacelle',
} as const;

describe('a network', () => {
  it('forgets the ports of containers that have ended, and knows those of others', async () => {
    const machine = await machineInWorld(temporary);
    expect(await runNode('network-rules', ['ended'], machine.from)).toEqual({ ended: [], alive: 4 });
  });

  it('leads out by the address of the machine, and is apart from others; one that is internal leads nowhere', async () => {
    const machine = await machineInWorld(temporary);
    await using _server = await tellWhoAsks(machine);
    // the world finds the way to and back, so nothing but rules keeps packets from it
    await inside(machine.world, 'ip', 'route', 'add', '10.0.0.0/8', 'via', '192.0.2.1');
    await inside(machine.world, 'ip', '-6', 'route', 'add', 'fd00::/8', 'via', '2001:db8::1');
    const program = startNode('network-rules', ['apart'], machine.from);
    const line = await program.lines.next();
    if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
    // it is not let in
    for (const address of ['10.1.0.2', '10.3.0.2', 'fd00:1::2']) {
      await expect(inside(machine.world, 'ping', '-c1', '-W1', address), address).rejects.toMatchObject({
        stdout: expect.stringContaining(' 0 received'),
      });
    }
    // and its own way is there
    await inside(machine.world, 'ping', '-c1', '-W5', '10.1.0.1');
    program.process.kill('SIGUSR2');
    const { stdout, stderr } = await program.ended;
    expect(stderr).toBe('');
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toEqual({
      settings: [
        ['0', '0'],
        ['1', '1'],
      ],
      world: [true, true],
      asked: ['::ffff:192.0.2.1', '2001:db8::1'],
      machine: [true, true],
      neighbour: [true, true],
      routes: [true, true],
      cutOff: { apart: [true, true], fromInner: [true, true, true], toInner: [true, true] },
      after: ['0', '0'],
      redirects: '0\n',
    });
    expect(await rules(machine)).toBe('');
  });

  it('leaves what others have switched on as it is', async () => {
    const machine = await machineInWorld(temporary);
    await inside(machine.net, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    expect(await runNode('network-rules', ['run'], machine.from)).toBe('no error');
    expect(await forwards(machine)).toBe('1\n');
  });

  iptables.it.each([
    [
      'docker',
      `*filter
      :FORWARD DROP
      :DOCKER-USER -
      -A FORWARD -j DOCKER-USER
      COMMIT`,
      'is dropped by the chain FORWARD of the table ip filter.',
      /Type: (iptables -I DOCKER-USER -i ncl-\+ -j ACCEPT); (iptables -I DOCKER-USER -o ncl-\+ -j ACCEPT)$/,
    ],
    [
      'iptables',
      `*filter
      :FORWARD DROP
      -A FORWARD -i ncl-+ -p tcp -j ACCEPT
      -A FORWARD -o eth0 -j ACCEPT
      COMMIT`,
      'is dropped by the chain FORWARD of the table ip filter.',
      /Type: (iptables -I FORWARD -i ncl-\+ -j ACCEPT); (iptables -I FORWARD -o ncl-\+ -j ACCEPT)$/,
    ],
    [
      'iptables to accept, with a rejection of all else,',
      `*filter
      :FORWARD ACCEPT
      -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      -A FORWARD -j REJECT --reject-with icmp-host-prohibited
      COMMIT`,
      'is dropped by the chain FORWARD of the table ip filter.',
      /Type: (iptables -I FORWARD -i ncl-\+ -j ACCEPT); (iptables -I FORWARD -o ncl-\+ -j ACCEPT)$/,
    ],
  ])('tells of a policy of %s that drops its packets, and works once the lines were typed', async (_, policy, problem, lines) => {
    const machine = await machineInWorld(temporary);
    await inside(machine.net, 'sh', '-c', `iptables-nft-restore <<END\n${policy.replaceAll(/^ +/gm, '')}\nEND\n`);
    const refused = await runNode<string>('network-rules', ['run'], machine.from);
    expect(refused).toMatch(/^ERR_FORWARD_POLICY: use the network bridge: /);
    expect(refused).toContain(problem);
    const [, ...typed] = lines.exec(refused) ?? [];
    expect(typed).toHaveLength(2);
    expect((await names(machine.net)).join()).toBe('up0');
    expect(await forwards(machine)).toBe('0\n');
    await inside(machine.net, 'sh', '-c', typed.join('\n').replaceAll('iptables', 'iptables-nft'));
    expect(await runNode('network-rules', ['run'], machine.from)).toBe('no error');
  });

  it('tells of policies of nftables in the same way, of all of them at once', async () => {
    const machine = await machineInWorld(temporary);
    await inside(machine.net, 'nft', 'add table inet f { chain c { type filter hook forward priority 5; policy drop; }; }');
    await inside(machine.net, 'nft', 'add table ip g { chain c { type filter hook forward priority 6; policy drop; }; }');
    const refused = await runNode<string>('network-rules', ['run'], machine.from);
    const [, typed = ''] = /^ERR_FORWARD_POLICY: .* Type: (.*)$/.exec(refused) ?? [];
    expect(typed.split('; ')).toHaveLength(4);
    await inside(machine.net, 'sh', '-c', typed);
    expect(await runNode('network-rules', ['run'], machine.from)).toBe('no error');
    await inside(machine.net, 'nft', 'flush', 'chain', 'inet', 'f', 'c');
    expect(await runNode('network-rules', ['run'], machine.from)).toMatch(/^ERR_FORWARD_POLICY: /);
  });

  it('tells of rules that end with a drop or a rejection, and works once the lines were typed', async () => {
    const machine = await machineInWorld(temporary);
    const rules = 'ct state established,related accept; iifname "lo" accept; tcp dport 22 accept; reject with icmpx admin-prohibited;';
    await inside(machine.net, 'nft', `add table inet f { chain c { type filter hook forward priority 0; policy accept; ${rules} }; }`);
    const refused = await runNode<string>('network-rules', ['run'], machine.from);
    expect(refused).toMatch(/^ERR_FORWARD_POLICY: .* is dropped by the chain c of the table inet f\. /);
    await inside(machine.net, 'sh', '-c', /Type: (.*)$/.exec(refused)?.[1] ?? '');
    expect(await runNode('network-rules', ['run'], machine.from)).toBe('no error');
  });

  it.each([
    ['the link', ZONES.link],
    ['the subnet, as others add it', ZONES.source],
    ['the link as far as a policy does', ZONES.policy],
  ])('tells of what firewalld rejects, and works once it trusts %s', async (_, zone) => {
    const machine = await machineInWorld(temporary);
    const load = (zones: string) => inside(machine.net, 'nft', `flush ruleset; ${FIREWALLD(zones)}`);
    await load('');
    const refused = await runNode<string>('network-rules', ['run'], machine.from);
    expect(refused).toMatch(/^ERR_FORWARD_POLICY: .* is dropped by the chain filter_FORWARD of the table inet firewalld\. /);
    expect(refused).toContain(
      'docs/networks.md has narrower ways. Type: firewall-cmd --zone=trusted --add-interface=ncl-+; firewall-cmd --permanent ',
    );
    await load(zone);
    expect(await runNode('network-rules', ['run'], machine.from)).toBe('no error');
  });

  it('lets a container send what is its own alone', async () => {
    const machine = await machineInWorld(temporary);
    const all = frames({ mac: '026e0a590002', ip: '10.89.0.2', linkLocal: 'fe80000000000000006e0afffe590002' });
    const seen = await runNode<{ seen: string[]; heard: string[]; known: string[] }>(
      'network-rules',
      ['spoof', JSON.stringify(all), framesProgram()],
      machine.from,
    );
    expect(seen).toEqual({
      seen: [...HONEST, 'own by a group'],
      heard: ['own by a group'],
      known: expect.arrayContaining(['02:6e:0a:59:00:02 nclv0a590002 static', '02:6e:0a:59:00:03 nclv0a590003 static']),
    });
    expect(seen.known.filter((entry) => !entry.endsWith(' permanent'))).toHaveLength(2);
  });
});
