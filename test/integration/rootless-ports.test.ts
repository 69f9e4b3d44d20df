import { chmodSync, mkdirSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ownRuntimeFolder, throughUser } from '../fixtures/become-user.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { besideNeighbour, makeNeighbour, NEIGHBOUR_TOOLS, useNeighbours } from '../fixtures/neighbour.js';
import { inside, show } from '../fixtures/nets.js';
import { programFile, runNode, startNode } from '../fixtures/node.js';
import { FORGE } from '../fixtures/ports.js';
import { isRoot, requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
useNeighbours();
const temporary = temporaryFolder();
const TOOLS = ['unshare', 'setpriv', 'mount', 'env', 'chown', 'mkdir', 'ip'];
const { it } = requires({ containers: true, kernel: '6.6', tools: isRoot ? TOOLS : [] });
const asRoot = requires({ root: true, kernel: '6.6', tools: [...new Set([...TOOLS, ...NEIGHBOUR_TOOLS, 'python3'])] });

/** How root becomes an ordinary user, in a network namespace whose loopback alone is up. */
function asUser(before: string): { through: string[] } {
  return { through: ['unshare', '--net', ...throughUser(before), 'env', ownRuntimeFolder()] };
}

/** What a scenario tells, by an ordinary user. */
function told(scenario: string): Promise<unknown> {
  if (isRoot) return runNode('rootless-ports', [scenario], asUser('ip link set lo up'));
  const folder = join(temporary, scenario);
  mkdirSync(folder);
  return runNode('rootless-ports', [scenario], { env: { NACELLE_RUNROOT: join(folder, 'run'), NACELLE_ROOT: join(folder, 'store') } });
}

const heardBy = (name: string, size = 1, gateway = '10.1.0.1'): string => `${name} heard ${size} of ${gateway}`;

describe('ports of an ordinary user’s networks', () => {
  it('carry streams and datagrams from the loopback, from the first moment to the end', async () => {
    const one = heardBy('one');
    expect(await told('usual')).toEqual({
      held: expect.stringMatching(/^NacelleError: publish port \d+\/tcp of 127\.0\.0\.1: it is in use by /),
      heard: [
        ...[one, heardBy('one', 20_000_000), one, heardBy('one', 60_000), one, one],
        'ECONNRESET',
        ...[one, 'ECONNREFUSED', heardBy('confined'), 'ECONNREFUSED'],
      ],
      told: 6,
      busy: expect.stringMatching(/^NacelleError: publish port \d+\/tcp of 127\.0\.0\.1: it is in use by /),
      closed: expect.stringMatching(/^NacelleError: option ports\[0\]: needs a network with a bridge that is not internal/),
      left: [],
    });
  });

  it('lead to where the container is, in each of its runs', async () => {
    const [before, after] = [heardBy('one'), heardBy('one', 1, '10.2.0.1')];
    expect(await told('moved')).toEqual({
      heard: [before, before, after, after, 'served', heardBy('late')],
      lost: expect.stringMatching(/^NacelleError: disconnect the container .*: the published port 127\.0\.0\.1:\d+\/tcp leads there/),
      none: expect.stringMatching(/^UnsupportedError: publish\(\) is not supported here: the container has no link to a network/),
      left: [],
    });
  });

  it('go on when what carries them is killed, and their holder, and are free when their shim is', async () => {
    const [one, two] = [
      [heardBy('one'), heardBy('one')],
      [heardBy('two'), heardBy('two')],
    ];
    const confined = ['0000000000000000', '1', '2'];
    expect(await told('killed')).toEqual({
      heard: [one, one, one, one, one, two, one],
      seen: ['nacelle-relay', 'nacelle-connect', 'nacelle-udp'].map((name) => [name, ...confined]),
      apart: true,
      failures: [],
      count: [2, 2, 2],
      ended: expect.stringMatching(/^ShimError/),
      left: [],
    });
  });

  it('stay with a detached container, also over its upgrade', async () => {
    const kept = heardBy('kept');
    expect(await told('detached')).toEqual({
      heard: [[kept, kept], [kept, kept], [heardBy('kept', 20_000_000)], [kept], ['ECONNREFUSED', 'ECONNREFUSED']],
      upgraded: constants.errno.EALREADY,
      left: [],
    });
  });

  asRoot.it('are at the addresses that were asked for, and at no other, whatever frames are sent', async () => {
    const neighbour = await makeNeighbour();
    const folder = join(temporary, 'addresses');
    mkdirSync(folder);
    chmodSync(folder, 0o755);
    const before = besideNeighbour(neighbour, { folder, routed: false });
    const { address: mac } = await show(neighbour, 'up0');
    // as some orchestrators have it: nothing but the socket keeps frames to the loopback from it
    const opened = 'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet';
    const program = startNode('rootless-ports', ['addresses'], asUser(`${before}\n${opened}`));
    const first = await program.lines.next();
    if (first.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
    const outside = JSON.parse(await inside(neighbour, process.execPath, programFile('ask-ports')));
    for (const [port, text] of [
      ['8082', 'forged'],
      ['8080', 'honest'],
    ] as const) {
      await inside(neighbour, 'python3', '-c', FORGE, mac, '192.0.2.1', '127.0.0.1', port, text);
    }
    program.process.kill('SIGUSR2');
    const { stdout, stderr } = await program.ended;
    expect(stderr).toBe('');
    const one = heardBy('one');
    expect({ outside, ...JSON.parse(stdout.trim().split('\n').at(-1) ?? '') }).toEqual({
      outside: [one, one, 'ECONNREFUSED', one, one],
      own: [one, one, one, one, one],
      elsewhere: 'ECONNREFUSED',
      forged: false,
      low: [
        expect.stringMatching(
          /^UnsupportedError: publish port 80\/tcp of 127\.0\.0\.1 is not supported here: the first port that this user may have is 1024/,
        ),
        expect.stringMatching(/^NacelleError: option port: is at 192\.0\.2\.77, which this machine does not have/),
      ],
      left: [],
    });
  });
});
