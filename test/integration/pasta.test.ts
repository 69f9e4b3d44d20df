import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ownRuntimeFolder, throughUser } from '../fixtures/become-user.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { besideNeighbour, makeNeighbour, NEIGHBOUR_TOOLS, useNeighbours } from '../fixtures/neighbour.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
useNeighbours();
const USER_TOOLS = ['setpriv', 'env', 'chown', 'mkdir', 'mknod'];
const { it } = requires({ root: true, tools: [...NEIGHBOUR_TOOLS, ...USER_TOOLS, 'pasta', 'python3'] });
const temporary = temporaryFolder();

/** A device of tunnels that everybody may open, as it is on most machines; in the mount namespace of the test alone. */
const openTun = (folder: string): string => `mknod -m 666 ${folder}/tun c 10 200; mount --bind ${folder}/tun /dev/net/tun`;

interface How {
  /** A default route leads out. */
  readonly routed?: boolean;
  /** Of the scenario. */
  readonly argument?: string;
  /** What root does first, beside the rest. */
  readonly before?: (folder: string) => string;
}

/** What a scenario of the program tells, beside a neighbour. */
async function told(
  who: 'root' | 'user',
  scenario: string,
  { routed = true, argument = '', before = openTun }: How = {},
): Promise<unknown> {
  const folder = join(temporary, `${who}-${scenario}-${Math.random()}`);
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  const script = [besideNeighbour(await makeNeighbour(), { folder, routed }), before(folder)].join('\n');
  const asRoot = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', `${script}\nexec "$@"`, 'sh'];
  const through =
    who === 'root'
      ? [...asRoot, 'env', `NACELLE_RUNROOT=${join(folder, 'run')}`, `NACELLE_ROOT=${join(folder, 'store')}`]
      : [...throughUser(script), 'env', ownRuntimeFolder()];
  return runNode('pasta', [scenario, argument], { through: ['unshare', '--net', ...through] });
}

describe.each(['root', 'user'] as const)("network: 'pasta' of %s", (who) => {
  it('reaches what this machine reaches, by IPv4 and IPv6, and nothing of its loopback', async () => {
    const [four, six] = ['heard 192.0.2.2', 'heard 2001:db8::2'];
    expect(await told(who, 'out')).toEqual({
      told: {
        tcp: [four, six],
        udp: [four, six],
        names: ['192.0.2.80', 'ENOTFOUND'],
        caller: ['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED'],
        links: ['lo', 'eth0'],
      },
      gone: true,
    });
  });

  it("keeps what is sent by sockets of its link from this machine's loopback", async () => {
    const [four, six] = ['heard 192.0.2.2', 'heard 2001:db8::2'];
    const { sent, heard } = (await told(who, 'bound')) as { sent: string; heard: string[] };
    expect(sent).toBe(`[1, 1, 1, '${four}', '${six}']`);
    expect(heard).toEqual([]);
  });

  it('is carried by a confined process, which has nothing of others', async () => {
    expect(await told(who, 'confined')).toEqual({
      filter: '2',
      noNewPrivileges: '1',
      capabilities: 'few',
      files: ['/dev/net/tun', 'anon_inode', 'net', 'pipe', 'socket'],
      root: [],
      inspected: 'pasta',
      stats: ['eth0'],
      gone: true,
    });
  });

  it('lets the caller connect to a port inside', async () => {
    expect(await told(who, 'connects')).toBe('echo');
  });

  it('comes back when that process is killed', async () => {
    expect(await told(who, 'killed')).toEqual({ before: 'heard 192.0.2.2', after: 'heard 192.0.2.2', gone: true });
  });

  it('ends with the supervisor, however that ends', async () => {
    expect(await told(who, 'shimKilled')).toEqual([]);
  });

  it('is there in each run of a container that starts again', async () => {
    expect(await told(who, 'again')).toEqual({ runs: ['heard 192.0.2.2', 'heard 192.0.2.2'], gone: true });
  });

  it('is shared by a container that joins it, names included', async () => {
    expect(await told(who, 'shared')).toEqual(['heard 192.0.2.2', '192.0.2.80']);
  });

  it('is kept by the supervisor of a detached container', async () => {
    expect(await told(who, 'detached')).toEqual({ before: 'heard 192.0.2.2', after: 'heard 192.0.2.2', gone: true });
  });

  it("fails with pasta's own words where nothing leads out", async () => {
    expect(await told(who, 'refused', { routed: false })).toEqual({
      error: expect.stringMatching(/^SyscallError: connect the network by .*\/pasta: ENETUNREACH \(.*External interface not usable/),
      feature: { available: true, reason: null, fix: null },
      gone: true,
    });
  });
});

it('is refused to a user who may not open the device of tunnels', async () => {
  const closed = (folder: string): string => openTun(folder).replace('666', '600');
  const reason = 'this user may not open /dev/net/tun';
  expect(await told('user', 'refused', { before: closed })).toEqual({
    error: expect.stringContaining(`UnsupportedError: network: 'pasta' is not supported here: ${reason}`),
    feature: { available: false, reason, fix: expect.stringContaining('chmod 0666 /dev/net/tun') },
    gone: true,
  });
});

it('goes into a user namespace of the container', async () => {
  expect(await told('root', 'mapped')).toEqual({ told: ['heard 192.0.2.2', '192.0.2.80'], gone: true });
});

it('is refused there where its root may not open the device of tunnels', async () => {
  const closed = (folder: string): string => openTun(folder).replace('666', '600');
  expect(await told('root', 'refused', { before: closed, argument: 'mapped' })).toEqual({
    error: expect.stringContaining("root of the container's user namespace may not open /dev/net/tun"),
    feature: { available: true, reason: null, fix: null },
    gone: true,
  });
});
