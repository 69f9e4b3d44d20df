import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect } from 'vitest';
import { isAlive, shimOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { inside, makeNet, type Net, useNets } from '../../fixtures/nets.js';
import { type NodeProgram, runNode, startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

// Containers that find each other by name, with programs of others as those who ask.
useLeakCheck();
const tools = ['ip', 'nsenter', 'unshare', 'mount', 'dig', 'nslookup', 'getent', 'dnsmasq', 'cat', 'sh', 'sleep'];
const { describe, it } = requires({ root: true, containers: true, tools });
const temporary = temporaryFolder();
useNets();

interface Machine {
  net: Net;
  folder: string;
  through: string[];
  env: Record<string, string>;
}
const servers: ChildProcess[] = [];
afterEach(async () => {
  for (const child of servers.splice(0)) {
    const ended = once(child, 'close');
    child.kill('SIGKILL');
    await ended;
  }
});
let places = 0;
const run = promisify(execFile);

/**
 * A network namespace for this machine's side, with a runtime folder and a store of its own.
 *
 * @param resolv its resolv.conf, for which each program gets a mount namespace; `null`: the host's, whose servers can't be reached
 */
async function machine(resolv: string | null = null): Promise<Machine> {
  const net = await makeNet();
  await inside(net, 'ip', 'link', 'set', 'lo', 'up');
  const folder = join(temporary, String(places++));
  mkdirSync(folder);
  const env = { NACELLE_RUNROOT: join(folder, 'run'), NACELLE_ROOT: join(folder, 'store') };
  const through = ['nsenter', '-t', String(net.pid), '-n'];
  if (resolv === null) return { net, folder, through, env };
  const file = join(folder, 'resolv.conf');
  writeFileSync(file, resolv, { mode: 0o644 });
  const bind = ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', file];
  return { net, folder, through: [...through, ...bind], env };
}

/** A server of names in a network namespace beyond the machine's, and what it was asked. */
async function world(from: Net): Promise<{ asked(): string[] }> {
  const net = await makeNet();
  await inside(from, 'ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'world0', 'netns', String(net.pid));
  for (const [at, link, address] of [
    [from, 'up0', '192.0.2.1/24'],
    [net, 'world0', '192.0.2.53/24'],
  ] as const) {
    await inside(at, 'ip', 'address', 'add', address, 'dev', link);
    await inside(at, 'ip', 'link', 'set', link, 'up');
  }
  const options = ['--no-daemon', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--user=root', '--log-queries', '--pid-file='];
  const command = ['dnsmasq', ...options, '--address=/known.example/198.51.100.7'];
  // without a sanitizer, which is for our own programs
  const env = { ...process.env, LD_PRELOAD: undefined };
  const child = spawn('nsenter', ['-t', String(net.pid), '-n', ...command], { stdio: ['ignore', 'ignore', 'pipe'], env });
  servers.push(child);
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  await until('the server answers', async () =>
    (await inside(from, 'dig', '+short', '+tries=1', '+time=1', '@192.0.2.53', 'known.example').catch(() => '')).includes('198.51.100.7'),
  );
  log = '';
  return { asked: () => [...new Set([...log.matchAll(/query\[\w+\] (\S+)/g)].map(([, name = '']) => name))] };
}

async function firstLine<T>(program: NodeProgram): Promise<T> {
  const line = await program.lines.next();
  if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
  return JSON.parse(line.value);
}

const ids = (...names: string[]) => [...names, 'SHORT', 'ID'];

describe('a container on a network', () => {
  it('is found by name, host name, alias and id, over UDP and TCP, by address, and no more when it has ended', async () => {
    const { through, env } = await machine();
    expect(await runNode('container-names', ['found'], { through, env })).toEqual({
      getent: [['fd00:1::2       web'], '10.1.0.2'],
      nslookup: expect.arrayContaining(['Server:\t\t127.0.0.11', 'Name:\tweb', 'Address: 10.1.0.2']),
      dig: [['10.1.0.2'], ['fd00:1::2'], ['10.1.0.2']],
      names: Array(4).fill(['10.1.0.2']),
      pool: ['10.1.0.2', '10.1.0.3'],
      reverse: [['web.'], ['web.']],
      known: ['NOERROR', []],
      own: '10.1.0.2',
      inspected: [ids('web', 'front', 'www', 'pool')],
      resolv: 'nameserver 127.0.0.11\noptions ndots:0\n',
      inside: false,
      after: [['10.1.0.3'], 'SERVFAIL'],
      membersLeft: [],
    });
  });

  it("is told the names of its own networks, and other names by this machine's servers unless these are all internal", async () => {
    const { net, through, env } = await machine('search example.org\nnameserver 192.0.2.53\noptions timeout:2\n');
    const { asked } = await world(net);
    expect(await runNode('container-names', ['apart'], { through, env })).toEqual({
      web: { web: ['10.1.0.2'], db: [], both: ['10.1.0.3'], api: [] },
      db: { web: [], db: ['10.2.0.2'], both: ['10.2.0.3'], api: ['10.2.0.3'] },
      both: { web: ['10.1.0.2'], db: ['10.2.0.2'], both: ['10.1.0.3', '10.2.0.3'], api: ['10.2.0.3'] },
      reverse: [['both.'], expect.stringMatching(/^(NXDOMAIN|REFUSED)$/)],
      world: [['198.51.100.7'], ['198.51.100.7'], ['198.51.100.7']],
      internal: [[], 'NXDOMAIN', 'NXDOMAIN'],
      resolv: 'nameserver 127.0.0.11\noptions ndots:0\n',
      membersLeft: [],
    });
    // of the names of containers only those that the front does not know
    expect(asked().sort()).toEqual(['2.0.2.10.in-addr.arpa', 'api', 'db', 'known.example']);
  });

  it('is found while nothing of this process runs', async () => {
    const { folder, through, env } = await machine();
    expect(await runNode('container-names', ['blocked', folder], { through, env })).toEqual({ turns: 0, failed: false });
  });

  it('is found by others when the server was killed: another one takes its sockets', async () => {
    const { through, env } = await machine();
    expect(await runNode('container-names', ['killed'], { through, env })).toEqual({
      before: '10.89.0.2',
      after: Array(3).fill('10.89.0.2'),
      later: '10.89.0.4',
      isOther: true,
      membersLeft: [],
    });
  });

  it('is found from a user namespace, after a restart, and by who shares its network, also when it has ended', async () => {
    const { through, env } = await machine();
    expect(await runNode('container-names', ['ways'], { through, env })).toEqual({
      userns: '10.89.0.2',
      joined: '10.89.0.2',
      again: ['10.89.0.2', '10.89.0.2'],
      after: ['SERVFAIL', '10.89.0.4', '10.89.0.4'],
      withDns: { resolv: 'nameserver 192.0.2.1\n', refused: true },
      membersLeft: [],
    });
  });

  it('is found when Node is dead and the container detached', async () => {
    const { through, env } = await machine();
    const program = startNode('container-names', ['detach'], { through, env });
    const { ids: both, client } = await firstLine<{ ids: string[]; client: number }>(program);
    const shim = shimOf(program.pid)?.pid;
    program.process.kill('SIGKILL');
    await program.ended;
    await until('its own shim has ended', () => shim === undefined || !isAlive(shim));
    const asked = await run('nsenter', ['-t', String(client), '-n', 'dig', '+short', '@127.0.0.11', 'web']).catch(String);
    const removed = await runNode('container-names', ['removeDetached', both.join()], { through, env });
    expect(asked).toEqual({ stdout: '10.89.0.2\n', stderr: '' });
    expect(removed).toEqual({ before: '10.89.0.2', after: 'SERVFAIL', membersLeft: [] });
  });

  it('is not found on the network of the same name of another store', async () => {
    const { through, env } = await machine();
    const program = startNode('container-names', ['hold'], { through, env });
    await firstLine(program);
    const shim = shimOf(program.pid)?.pid ?? 0;
    const other = { ...env, NACELLE_ROOT: `${env.NACELLE_ROOT}-other` };
    const seen = { found: '', failures: [], after: 'SERVFAIL', membersLeft: [expect.any(String)] };
    expect(await runNode('container-names', ['look'], { through, env: other })).toEqual(seen);
    program.process.kill('SIGKILL');
    await program.ended;
    await until('its shim has ended', () => !isAlive(shim));
  });

  it('is found no more when its process was killed, and when its shim was too as soon as somebody reaps', async () => {
    const { through, env } = await machine();
    for (const who of ['Node', 'both']) {
      const program = startNode('container-names', ['hold'], { through, env });
      const held = await firstLine<{ server: number; members: number }>(program);
      expect(held.members).toBe(1);
      const shim = shimOf(program.pid)?.pid;
      if (shim === undefined) throw new Error('it has no shim');
      if (who === 'both') process.kill(shim, 'SIGKILL');
      program.process.kill('SIGKILL');
      await program.ended;
      await until('the shim and the server have ended too', () => !isAlive(shim) && !isAlive(held.server));
      expect(await runNode('container-names', ['look'], { through, env }), who).toEqual({
        found: expect.any(String),
        failures: [],
        after: 'SERVFAIL',
        membersLeft: [],
      });
    }
  });

  it('that can not be asked for in a network leave nothing with the shim', async () => {
    const { through, env } = await machine();
    expect(await runNode('container-names', ['taken'], { through, env })).toEqual({ codes: Array(4).fill('EADDRINUSE'), more: 'none' });
  });
});
