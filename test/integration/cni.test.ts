import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { isAlive, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { useNets } from '../fixtures/nets.js';
import { runNode, startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { machineInWorld, WORLD_TOOLS } from '../fixtures/world.js';

useLeakCheck();
const tools = [...WORLD_TOOLS, 'ping', 'tc', 'iptables', 'ip6tables', 'iptables-save', 'ip6tables-save', 'node'];
const { describe, it } = requires({ root: true, containers: true, cniPlugins: true, tools });
const temporary = temporaryFolder();
useNets();

let places = 0;

/** How programs run on a machine of their own, where plugins keep what they note below a folder of it. */
async function machine() {
  const { from } = await machineInWorld(temporary);
  const folder = join(temporary, `cni-${places++}`);
  mkdirSync(folder);
  return { ...from, folder, env: { ...from.env, CNI_TEST_FOLDER: folder } };
}

const here = async <T>(scenario: string): Promise<T> => runNode('cni', [scenario], await machine());

/** Runs a program until it holds, and kills it, or its supervisor too; then another one. */
async function killed<T>(scenario: string, then: string, { both }: { both: boolean }): Promise<T> {
  const from = await machine();
  const program = startNode('cni', [scenario], from);
  const line = await program.lines.next();
  if (line.value !== 'held') throw new Error(`it ended: ${(await program.ended).stderr}`);
  const shim = shimOf(program.pid)?.pid;
  if (!shim) throw new Error('it has no supervisor');
  if (both) process.kill(shim, 'SIGKILL');
  program.process.kill('SIGKILL');
  await until('its supervisor has ended', async () => !isAlive(shim));
  return runNode('cni', [then], from);
}

const nothing = { links: [], leases: [], noted: false };
const refused = (option: string, message: RegExp) =>
  expect.objectContaining({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(new RegExp(`^option ${option}: .*${message.source}`)),
  });
const shown = (local: string, prefixlen: number) => expect.objectContaining({ local, prefixlen, scope: 'global' });

describe("Debian's plugins of CNI", () => {
  it('attach containers, with addresses, names, ports, limits and settings, and take back all of it', async () => {
    const { used, taken, shared, gone, info, ...seen } = await here<Record<string, unknown>>('usual');
    expect(info).toMatchObject({
      ...{ name: 'shop', driver: 'cni', subnets: [] },
      // the highest version that the configuration, Debian's plugins and nacelle know
      cni: { name: 'shopnet', version: '1.0.0', plugins: ['bridge', 'tuning', 'portmap', 'bandwidth', 'firewall'] },
      containers: expect.arrayContaining([{ id: expect.any(String), addresses: ['10.7.0.77/24', 'fd00:7::3/64'] }]),
    });
    expect([used, taken, shared, gone]).toMatchObject([
      { code: 'ERR_IN_USE' },
      { code: 'ERR_CNI_REFUSED', plugin: 'bridge', command: 'ADD', message: expect.stringContaining('10.7.0.77 is not available') },
      { code: 'ERR_UNSUPPORTED' },
      { code: 'ERR_NO_NETWORK' },
    ]);
    const [link] = seen.shown as { address: string }[];
    const port = { container: 80, host: 8080, address: '127.0.0.1', protocol: 'tcp' };
    expect(seen).toEqual({
      listed: [['shop', 'cni']],
      networks: [
        {
          ...{ name: 'shop', interface: 'eth0', mac: link?.address, addresses: ['10.7.0.2/24', 'fd00:7::2/64'] },
          names: ['one', 'uno', expect.any(String), expect.any(String)],
        },
      ],
      ports: [[port], [port]],
      shown: [expect.objectContaining({ addr_info: expect.arrayContaining([shown('10.7.0.2', 24), shown('fd00:7::2', 64)]) })],
      routes: [expect.stringMatching(/^default via 10\.7\.0\.1 dev eth0/), expect.stringMatching(/^default via fd00:7::1 dev eth0/)],
      tuned: '500',
      other: [expect.objectContaining({ address: '02:00:00:00:00:77', addr_info: expect.arrayContaining([shown('10.7.0.77', 24)]) })],
      named: [true, true, true, true],
      hosts: true,
      port: 'hello',
      limits: 2,
      leases: 4,
      ruled: true,
      // the plugin leaves its bridge, which it made for all containers
      after: { ...nothing, links: ['cni0'], ruled: null },
    });
  });

  it("have packets forwarded also when the last bridge of nacelle's, which had switched that on, goes before", async () => {
    expect(await here('forwarded')).toEqual({ before: '0', beside: '1', after: '0', left: nothing });
  });

  it('are asked whether a container is attached as it was', async () => {
    expect(await here('checked')).toEqual({
      well: 1,
      ill: expect.objectContaining({ name: 'CniError', plugin: 'bridge', command: 'CHECK', path: '/usr/lib/cni/bridge' }),
      never: [],
      own: expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
      networks: ['lan', 'own', 'unchecked'],
      left: nothing,
    });
  });

  it("serve containers that start again, that are detached, with ids of their own, and beside a bridge of nacelle's", async () => {
    const addresses = [
      ['eth0', ['10.8.0.2/24']],
      ['lan0', ['192.0.2.64/24']],
    ];
    expect(await here('ways')).toEqual({
      addresses,
      reached: [true, true],
      resolv: 'nameserver 192.0.2.53\nsearch example.org\n',
      again: [true, true, addresses],
      mapped: ['up', true],
      afterRun: [],
      kept: [true, 1, 1],
      info: [],
      networks: ['lan', 'own'],
      left: nothing,
    });
  });

  it('are told by a reap of containers whose process was killed, and by whoever removes a detached one', async () => {
    expect(await killed('hold', 'reap', { both: false })).toEqual({
      before: 4,
      first: [],
      living: 1,
      kept: 2,
      failures: 0,
      networks: ['lan'],
      ruled: null,
      left: nothing,
    });
  });
});

it('what plugins keep is taken back also where their network namespace has gone with its process', async () => {
  const from = await machine();
  const program = startNode('cni', ['hold-own'], { ...from, through: ['unshare', '-n'] });
  const line = await program.lines.next();
  if (line.value !== 'held') throw new Error(`it ended: ${(await program.ended).stderr}`);
  const shim = shimOf(program.pid)?.pid;
  if (!shim) throw new Error('it has no supervisor');
  program.process.kill('SIGKILL');
  await until('its supervisor has ended', () => !isAlive(shim));
  expect(await runNode('cni', ['elsewhere'], from)).toEqual({ before: 2, failures: [], networks: ['lan'], left: nothing });
});

interface Recorded {
  readonly type: string;
  readonly env: Record<string, string>;
  readonly conf: Record<string, unknown>;
  readonly net: string;
  readonly inode: number | null;
}

describe('a plugin of CNI', () => {
  it('is given what the specification says, by its environment and standard input', async () => {
    const seen = await here<{ [key: string]: unknown } & Record<'asked' | 'added' | 'check' | 'deleted' | 'collected', Recorded[]>>(
      'protocol',
    );
    const { asked, added, check, deleted, collected, id, pid, path, net } = seen;
    const all = [asked, added, check, deleted, collected].flat();
    // in the network namespace of the caller
    expect(new Set(all.map((one) => one.net))).toEqual(new Set([net]));
    expect(all.map(({ type, env }) => `${env.CNI_COMMAND} ${type}`)).toEqual([
      ...['VERSION one', 'VERSION two', 'ADD one', 'ADD two', 'STATUS one', 'STATUS two'],
      ...['CHECK one', 'CHECK two', 'DEL two', 'DEL one', 'GC one', 'GC two'],
    ]);
    const envOf = ({ env: { CNI_TEST_FOLDER: _, ...env } }: Recorded): object => env;
    const netns = added[0]?.env.CNI_NETNS ?? '';
    expect(netns).toMatch(new RegExp(`^/proc/${pid}/fd/\\d+$`));
    const whose = { CNI_CONTAINERID: id, CNI_IFNAME: 'eth0', CNI_NETNS: netns };
    const paths = { CNI_PATH: `${path}:/usr/lib/cni` };
    const args = { CNI_ARGS: 'IgnoreUnknown=1;MAC=02:00:00:00:00:05;TEAM=a b' };
    expect(asked.map(envOf)).toEqual([0, 1].map(() => ({ CNI_COMMAND: 'VERSION', ...paths })));
    expect(asked.map(({ conf }) => conf)).toEqual([0, 1].map(() => ({ cniVersion: '1.1.0' })));
    expect(added.map(envOf)).toEqual([0, 1].map(() => ({ CNI_COMMAND: 'ADD', ...whose, ...args, ...paths })));
    const result = {
      cniVersion: '1.1.0',
      interfaces: [
        { name: 'host0', mac: '02:00:00:00:00:09' },
        { name: 'eth0', mac: '02:00:00:00:00:05', sandbox: netns },
      ],
      ips: [{ address: '10.5.0.2/24', gateway: '10.5.0.1', interface: 1 }],
    };
    const common = { cniVersion: '1.1.0', name: 'recorded' };
    const one = {
      ...{ ...common, type: 'one', key: { of: ['plugin'] } },
      runtimeConfig: {
        portMappings: [
          { hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '127.0.0.1' },
          { hostPort: 53, containerPort: 53, protocol: 'udp', hostIP: '0.0.0.0' },
        ],
        ips: ['10.5.0.2'],
        aliases: ['db'],
        dns: { servers: ['10.5.0.53'] },
      },
    };
    // in bits; a capability that is false is none
    const two = { ...common, type: 'two', runtimeConfig: { bandwidth: { egressRate: 8 * 1024 ** 2, egressBurst: 8 * 65_536 } } };
    expect(added.map(({ conf }) => conf)).toEqual([one, { ...two, prevResult: result }]);
    expect(new Set(added.map(({ inode }) => inode)).size).toBe(1);
    const status = check.slice(0, 2);
    expect(status.map(envOf)).toEqual([0, 1].map(() => ({ CNI_COMMAND: 'STATUS', ...paths })));
    expect(status.map(({ conf }) => conf)).toEqual([
      { ...common, type: 'one', key: { of: ['plugin'] } },
      { ...common, type: 'two' },
    ]);
    // the same as the ADD was given, and the last result
    expect(check.slice(2).map(envOf)).toEqual([0, 1].map(() => ({ CNI_COMMAND: 'CHECK', ...whose, ...args, ...paths })));
    expect(check.slice(2).map(({ conf }) => conf)).toEqual([one, two].map((conf) => ({ ...conf, prevResult: result })));
    expect(seen.checked).toEqual([id]);
    expect(deleted.map(envOf)).toEqual([0, 1].map(() => ({ CNI_COMMAND: 'DEL', ...whose, ...args, ...paths })));
    expect(deleted.map(({ conf }) => conf)).toEqual([two, one].map((conf) => ({ ...conf, prevResult: result })));
    expect(deleted.map(({ inode }) => inode)).toEqual(added.map(({ inode }) => inode));
    expect(collected.map(envOf)).toEqual([0, 1].map(() => ({ CNI_COMMAND: 'GC', ...paths })));
    expect(collected.map(({ conf }) => conf)).toEqual([
      { ...common, type: 'one', key: { of: ['plugin'] }, 'cni.dev/valid-attachments': [] },
      { ...common, type: 'two', 'cni.dev/valid-attachments': [] },
    ]);
    const valid = [{ containerID: seen.beside, ifname: 'eth0' }];
    expect([seen.valid, seen.failures, seen.left]).toEqual([[valid, valid], 0, nothing]);
  });

  it('is asked for its status, and told what is valid, where its version and the configuration have that', async () => {
    const check = ['CHECK one', 'CHECK two'];
    const all = { checked: 'no error', asked: ['STATUS one', 'STATUS two', ...check], failures: [], collected: ['GC one', 'GC two'] };
    expect(await here('asking')).toEqual({
      ready: all,
      // a plugin that is not ready is no reason to leave out the others' garbage, nor is one that fails
      unready: {
        checked: expect.objectContaining({ name: 'CniError', code: 'ERR_CNI_REFUSED', plugin: 'one', command: 'STATUS', pluginCode: 107 }),
        asked: ['STATUS one'],
        failures: [expect.stringMatching(/^GC by the plugin one .*it broke$/)],
        collected: ['GC one', 'GC two'],
      },
      kept: { ...all, collected: [] },
      older: { ...all, asked: check, collected: [] },
      // other runtimes may attach containers by the same file
      file: { ...all, collected: [] },
      left: nothing,
    });
  });

  it('that fails is told of by its name, its file and the cause, and what was done before is taken back', async () => {
    const { failures, both, cancelled, ...seen } = await here<Record<string, { error: object; ran: string[]; left: object }>>('failing');
    const ran = ['ADD one', 'ADD two', 'DEL two', 'DEL one'];
    const is = (code: string, message: string, more: object = {}) => ({
      error: expect.objectContaining({
        ...{ name: 'CniError', code, plugin: 'two', path: expect.stringMatching(/\/plugins\/two$/), command: 'ADD', ...more },
        message: expect.stringMatching(new RegExp(`^ADD by the plugin two \\(/.*/plugins/two\\): ${message}`)),
      }),
      ran,
      left: nothing,
    });
    expect(seen).toEqual({
      refuse: is('ERR_CNI_REFUSED', 'no room: all is taken \\(code 107\\)$', { pluginCode: 107, details: 'all is taken' }),
      rubbish: is('ERR_CNI_OUTPUT', 'what it printed is no JSON: "hello'),
      fail: is('ERR_CNI_ENDED', 'exited with 3: it broke$', { details: 'it broke' }),
      die: is('ERR_CNI_ENDED', 'killed by SIGSEGV$'),
      much: is('ERR_CNI_OUTPUT', 'it printed more than a result'),
      strange: is('ERR_CNI_OUTPUT', "its result can't be understood: ips\\[0\\]\\.interface"),
      older: is('ERR_CNI_OUTPUT', "its result can't be understood: it is of version 0.4.0"),
      hang: is('ERR_CNI_TIMEOUT', 'it did not end: killed after 3,000 ms'),
    });
    // what can't be taken back is told, and stays noted for the next reap, which tries again
    expect(both).toEqual({
      error: expect.objectContaining({ code: 'ERR_CNI_REFUSED', cleanup: expect.stringMatching(/^DEL by the plugin two .*it broke$/) }),
      ran,
      left: { ...nothing, noted: true },
    });
    expect(cancelled).toEqual({ status: 'canceled', ran });
    expect(failures).toEqual([expect.stringMatching(/^DEL by the plugin two .*it broke$/)]);
  });

  it('that was at work when its process was killed ends with it, and is told to take back what it did', async () => {
    const after = {
      before: ['ADD one', 'ADD two'],
      failures: [],
      after: ['DEL two', 'DEL one'],
      given: [
        [null, null],
        [null, null],
      ],
      networks: ['net'],
      left: nothing,
    };
    expect(await killed('stuck', 'unstick', { both: false })).toEqual(after);
    expect(await killed('stuck', 'unstick', { both: true })).toEqual(after);
  });

  it('and its network are refused before anything is made', async () => {
    const { info, networks, left, ...seen } = await here<Record<string, unknown>>('refused');
    expect(seen).toEqual({
      missing: refused('driver\\.cni', /'nowhere', which is in none of .*\/plugins, \/usr\/lib\/cni\b/),
      path: refused('driver\\.cni', /plugins\[0\]\.type/),
      empty: refused('driver\\.cni', /plugins: has no plugin/),
      version: refused('driver\\.cni', /cniVersion: is 0\.2\.0/),
      nameless: refused('driver\\.cni', /name: is missing/),
      reserved: refused('driver\\.cni', /plugins\[0\]\.runtimeConfig/),
      file: refused('driver\\.cni', /wrong\.conflist.*plugins\[0\]\.type: is missing/),
      rubbish: refused('driver\\.cni', /rubbish\.conflist, which is no JSON/),
      nothing: expect.objectContaining({ code: 'ENOENT', path: expect.stringMatching(/none\.conflist$/) }),
      subnet: refused('subnet', /is none of the driver cni/),
      old: expect.objectContaining({ code: 'ERR_CNI_VERSION', message: expect.stringContaining('old speaks 0.1.0, 0.2.0') }),
      mute: expect.objectContaining({ code: 'ERR_CNI_OUTPUT', command: 'VERSION' }),
      twice: refused('driver\\.cni', /the network net has/),
      asked: {
        ports: refused('ports\\[0\\]', /portMappings/),
        bandwidth: refused('bandwidth', /the capability bandwidth/),
        ip: expect.objectContaining({
          code: 'ERR_CNI_RESULT',
          message: expect.stringContaining('gave 10.5.0.2/24, and not the address 10.5.0.9'),
        }),
      },
    });
    expect([info, networks, left]).toEqual([{ kind: 'test' }, ['net'], nothing]);
  });
});
