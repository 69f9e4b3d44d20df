import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ownRuntimeFolder, throughUser } from '../fixtures/become-user.js';
import { frames, framesProgram, HONEST } from '../fixtures/frames.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { besideNeighbour, makeNeighbour, NEIGHBOUR_TOOLS, useNeighbours } from '../fixtures/neighbour.js';
import { runNode } from '../fixtures/node.js';
import { isRoot, requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
useNeighbours();
const temporary = temporaryFolder();
const TOOLS = ['unshare', 'setpriv', 'mount', 'env', 'chown', 'mkdir', 'sleep', 'ip'];
const { it } = requires({ containers: true, kernel: '6.6', tools: isRoot ? TOOLS : [] });
const asRoot = requires({ root: true, kernel: '6.6', tools: [...new Set([...TOOLS, ...NEIGHBOUR_TOOLS, 'mknod', 'pasta', 'nft'])] });
const withPython = requires({ containers: true, kernel: '6.6', tools: [...(isRoot ? TOOLS : []), 'python3'] });

/**
 * What a scenario tells, by an ordinary user. Root becomes one, in a network namespace without links; a user's networks are in one of the user's own
 * in any case.
 */
function told(scenario: string, before?: string, args: readonly string[] = []): Promise<unknown> {
  if (isRoot) {
    const through = ['unshare', '--net', ...throughUser(before), 'env', ownRuntimeFolder()];
    return runNode('rootless-networks', [scenario, ...args], { through });
  }
  const folder = join(temporary, scenario);
  mkdirSync(folder);
  return runNode('rootless-networks', [scenario, ...args], {
    env: { NACELLE_RUNROOT: join(folder, 'run'), NACELLE_ROOT: join(folder, 'store') },
  });
}

const unsupported = (what: string): unknown => expect.stringMatching(`^UnsupportedError: ${what} is not supported here: `);
/** Who asks for a name that nobody here has hears so from this machine's name servers, or that there are none. */
const noSuchName: unknown = expect.stringMatching(/^(EAI_AGAIN|ENOTFOUND)$/);
const succeeded = 'nothing was refused';

describe('networks of an ordinary user', () => {
  it('have containers that find each other by name, apart from those of other networks, and leave nothing', async () => {
    expect(await told('usual')).toEqual({
      addresses: ['10.1.0.2/24', '10.1.0.3/24'],
      bridges: null,
      heard: ['two', 'two', 'one', 'one'],
      stranger: [noSuchName, 'silence', 'ENOTFOUND'],
      holders: 1,
      removal: expect.stringMatching(/^NacelleError: remove the network shop: it is in use/),
      sharing: 'two\n',
      left: [],
    });
  });

  it('are those of all processes of the user, and stay when one of these is killed', async () => {
    expect(await told('processes')).toEqual({ heard: ['far', 'next', 'near'], namespaces: 1, left: [], removed: succeeded });
  });

  it('are joined and left by a container that lives, with limits', async () => {
    expect(await told('live')).toEqual({ heard: [noSuchName, 'one', 'late', noSuchName, 'late', 'late'], left: [] });
  });

  it('are kept by a detached container, also after its upgrade', async () => {
    expect(await told('detached')).toEqual({ heard: ['kept', 'one', 'kept', 'one'], stays: true, left: [] });
  });

  it('go on for those who are on them when the holder is killed, and are made anew for others', async () => {
    expect(await told('holder')).toEqual({
      heard: ['two', 'four', noSuchName, 'one'],
      namespaces: 1,
      failures: [],
      left: [],
    });
  });

  it('stay for who has come while the first one left', async () => {
    expect(await told('waiting')).toEqual({ isTold: true, stays: true, left: [] });
  });

  it('go with a shim that is killed, and the next one makes them anew', async () => {
    const ended = expect.stringMatching(/^ShimError/);
    expect(await told('shim')).toEqual({ ended, heard: 'two', failures: 0, left: [], removed: succeeded });
  });

  withPython.it('let a container send what is its own alone', async () => {
    const all = frames({ mac: '026e0a590002', ip: '10.89.0.2', linkLocal: 'fe80000000000000006e0afffe590002' });
    expect(await told('forged', undefined, [JSON.stringify(all), framesProgram()])).toEqual({
      addresses: ['10.89.0.2/24', '10.89.0.3/24'],
      seen: [...HONEST, 'own by a group'],
      left: [],
    });
  });

  asRoot.it('are beside ports of the caller and streams into a container', async () => {
    expect(await told('ports', 'ip link set lo up')).toEqual({
      heard: ['the caller', 'one', 'ECONNREFUSED', 'one'],
      left: [],
    });
  });

  it('have no driver that reaches beyond them, and do not persist', async () => {
    expect(await told('refused')).toEqual({
      bridge: { available: true, reason: null, fix: null },
      refused: [
        unsupported('the driver macvlan of a network'),
        unsupported('the driver vxlan of a network'),
        unsupported('persist'),
        expect.stringMatching(/^NacelleError: there is no network nothing/),
      ],
      made: 0,
      left: [],
    });
  });

  /** As {@link told}, where pasta leads out to a neighbour. */
  async function toldBesideNeighbour(scenario: string): Promise<unknown> {
    const folder = join(temporary, scenario);
    mkdirSync(folder);
    chmodSync(folder, 0o755);
    const openTun = `mknod -m 666 ${folder}/tun c 10 200; mount --bind ${folder}/tun /dev/net/tun`;
    return told(scenario, [besideNeighbour(await makeNeighbour(), { folder, routed: true }), openTun].join('\n'));
  }

  asRoot.it('hold a container to the list of what it may connect to', async () => {
    const held = ['heard 192.0.2.2', 'ECONNRESET', 'EPERM'];
    expect(await toldBesideNeighbour('egress')).toEqual({
      free: ['heard 192.0.2.2', 'heard 2001:db8::2', 'heard 192.0.2.2'],
      before: held,
      flushed: ['silence', 'silence', 'silence'],
      peers: ['one', 'listed'],
      // the steps of connecting put its namespace's rules back
      connected: held,
      left: [],
    });
  });

  asRoot.it('lead out by pasta, with nothing of this machine’s loopback, but for internal ones', async () => {
    expect(await toldBesideNeighbour('out')).toEqual({
      heard: ['heard 192.0.2.2', 'heard 2001:db8::2', 'ENETUNREACH'],
      own: ['ECONNREFUSED', 'one', 'ECONNREFUSED'],
      published: [['two', 'two', 'two'], ['two', 'two', 'ENETUNREACH'], ['ECONNREFUSED', 'ECONNREFUSED'], ['two'], ['ECONNREFUSED']],
      again: 1,
      left: [],
    });
  });
});
