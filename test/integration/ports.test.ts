import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { isAlive, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, type Net, names, show, useNets } from '../fixtures/nets.js';
import { runNode, startNode } from '../fixtures/node.js';
import { ASK, FORGE } from '../fixtures/ports.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { type Machine, machineInWorld, WORLD_TOOLS } from '../fixtures/world.js';

useLeakCheck();
const { describe, it } = requires({ root: true, containers: true, tools: [...WORLD_TOOLS, 'nft', 'python3'], kernel: '5.12' });
const temporary = temporaryFolder();
useNets();

const ask = (from: Net, protocol: string, address: string, port: number): Promise<string> =>
  inside(from, process.execPath, '-e', ASK, protocol, address, String(port));
const rules = ({ net }: Machine): Promise<string> => inside(net, 'nft', 'list', 'ruleset');
const nothingLeft = (machine: Machine): Promise<unknown> =>
  until('no rule or bridge is left', async () => (await names(machine.net)).join() === 'up0' && (await rules(machine)) === '');

describe('published ports', () => {
  it('are reached from where they are shown, by all protocols and families, and from nowhere else', async () => {
    const machine = await machineInWorld(temporary);
    const { net, world } = machine;
    // the world finds the way to containers, so nothing but rules keeps packets from them
    await inside(world, 'ip', 'route', 'add', '10.0.0.0/8', 'via', '192.0.2.1');
    const program = startNode('ports', ['matrix'], machine.from);
    const line = await program.lines.next();
    if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
    const shut = ['ECONNREFUSED', 'ECONNREFUSED'];
    const [v4, v6] = ['10.1.0.1', 'fd00:1::1'];
    expect(JSON.parse(line.value)).toEqual({
      seen: {
        // answered by way of the machine
        web: [v4, v4, v6, v6, v4, ...shut],
        neighbour: [v4, v4, v6, v6, v4, ...shut],
        other: [v4, v4, v6, v6, v4, ...shut],
      },
      apart: 'nothing',
    });
    const here = [
      ['tcp', '127.0.0.1', 8080, v4],
      ['udp', '127.0.0.1', 8080, v4],
      ['tcp', '127.0.0.1', 8081, v4],
      ['udp', '127.0.0.1', 8081, v4],
      ['tcp', '192.0.2.1', 8081, '192.0.2.1'],
      ['udp', '192.0.2.1', 8081, '192.0.2.1'],
      ['tcp', '2001:db8::1', 8081, '2001:db8::1'],
      ['udp', '2001:db8::1', 8081, '2001:db8::1'],
      ['tcp', '192.0.2.1', 8082, '192.0.2.1'],
      ['tcp', '2001:db8::1', 8082, '2001:db8::1'],
      ['tcp', '192.0.2.1', 8080, 'ECONNREFUSED'],
      ['tcp', '127.0.0.1', 8082, 'ECONNREFUSED'],
      ['tcp', '127.7.7.7', 8081, v4],
      ['udp', '127.7.7.7', 8081, v4],
      ['tcp', '::1', 8081, v6],
      ['udp', '::1', 8081, v6],
      ['tcp', '::1', 8083, v6],
      ['udp', '::1', 8083, v6],
      ['tcp', '::1', 8080, 'ECONNREFUSED'],
    ] as const;
    for (const [protocol, address, port, answer] of here) {
      expect([protocol, address, port, await ask(net, protocol, address, port)]).toEqual([protocol, address, port, answer]);
    }
    const fromWorld = [
      ['tcp', '192.0.2.1', 8081, '192.0.2.2'],
      ['udp', '192.0.2.1', 8081, '192.0.2.2'],
      ['tcp', '2001:db8::1', 8081, '2001:db8::2'],
      ['udp', '2001:db8::1', 8081, '2001:db8::2'],
      ['tcp', '192.0.2.1', 8082, '192.0.2.2'],
      ['tcp', '2001:db8::1', 8082, '2001:db8::2'],
      ['tcp', '192.0.2.1', 8080, 'ECONNREFUSED'],
      ['tcp', '10.1.0.2', 80, 'nothing'],
    ] as const;
    for (const [protocol, address, port, answer] of fromWorld) {
      expect([protocol, address, port, await ask(world, protocol, address, port)]).toEqual([protocol, address, port, answer]);
    }
    // by frames that no route would send
    const { address: mac } = await show(net, 'up0');
    await inside(world, 'python3', '-c', FORGE, mac, '192.0.2.2', '127.0.0.1', '8080', 'forged');
    await inside(world, 'python3', '-c', FORGE, mac, '192.0.2.2', '192.0.2.1', '8081', 'honest');
    expect(await ask(world, 'udp', '192.0.2.1', 8081)).toBe('192.0.2.2');
    program.process.kill('SIGUSR2');
    const { stdout, stderr } = await program.ended;
    expect(stderr).toBe('');
    const { log } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
    expect(log).toContain('heard honest\n');
    expect(log).not.toContain('forged');
    await nothingLeft(machine);
  });

  it('at the loopback do not open it to containers', async () => {
    const machine = await machineInWorld(temporary);
    expect(await runNode('ports', ['loopback'], machine.from)).toEqual({ way: true, heard: ['honest'], setting: '0' });
    await nothingLeft(machine);
  });

  it('that are in use are told with who has them, and nothing is left of the others', async () => {
    const machine = await machineInWorld(temporary);
    const { pid, ...seen } = await runNode<Record<string, unknown>>('ports', ['inUse'], machine.from);
    const holder = `in use by node (process ${pid})`;
    expect(seen).toEqual({
      tcp: `ERR_PORT_IN_USE: publish port 8090/tcp of 127.0.0.1: it is ${holder}`,
      udp: `ERR_PORT_IN_USE: publish port 8090/udp of 127.0.0.1: it is ${holder}`,
      any: `ERR_PORT_IN_USE: publish port 8090/tcp of all addresses (0.0.0.0): it is ${holder}`,
      second: Array(2).fill(`ERR_PORT_IN_USE: publish port 8090/tcp of 127.0.0.1: it is ${holder}`),
      twice: `ERR_PORT_IN_USE: publish port 8095/tcp of 127.0.0.1: it is ${holder}`,
      strange: 'ERR_INVALID_OPTION: option ports[0]: is at 192.0.2.77, which this machine does not have',
      inner:
        'ERR_INVALID_OPTION: option ports[0]: needs a network with a bridge that is not internal: from an internal one nothing goes out',
      six: 'ERR_INVALID_OPTION: option ports[0]: is at ::, and the container has no address of IPv6 in a network that leads out',
      range: 8091,
      live: expect.stringMatching(
        /^ERR_PORT_IN_USE: publish port 8091\/tcp of 127\.0\.0\.1: it is in use by (nacelle-\w+ \(process \d+\)(, )?)+$/,
      ),
      several: 'ERR_INVALID_OPTION: option port: has several ports of the container: publish each by itself',
    });
    await nothingLeft(machine);
  });

  it('come and go while the container lives, and are there after it was started again', async () => {
    const machine = await machineInWorld(temporary);
    const [at, gateway] = [{ container: 80, host: 8200, address: '127.0.0.1' }, '10.89.0.1'];
    const seen = await runNode<Record<string, unknown> & { any: { host: number }[] }>('ports', ['live'], machine.from);
    expect(seen).toEqual({
      before: [],
      tcp: { ...at, protocol: 'tcp' },
      udp: { ...at, protocol: 'udp' },
      heard: gateway,
      answers: [gateway, gateway, gateway],
      listed: [{ ...at, protocol: 'tcp' }, { ...at, protocol: 'udp' }, ...seen.any],
      gone: 'ECONNREFUSED',
      stays: gateway,
      wrong: expect.stringMatching(/^ERR_INVALID_OPTION: option port: is none that the container \w+ has published$/),
      again: gateway,
      any: ['tcp', 'tcp', 'udp'].map((protocol) => ({ container: 80, host: expect.any(Number), address: '127.0.0.1', protocol })),
      left: expect.stringMatching(/^ERR_STATE: /),
    });
    expect(new Set(seen.any.map(({ host }) => host)).size).toBeGreaterThan(1);
    await nothingLeft(machine);
  });

  it.each(['flows', 'wrapped'])('lead nobody on to who has the address next: %s', async (scenario) => {
    const machine = await machineInWorld(temporary);
    const program = startNode('ports', [scenario], machine.from);
    const ready = async (): Promise<void> => {
      const line = await program.lines.next();
      if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
    };
    await ready();
    const script = `
      const socket = require('node:dgram').createSocket('udp4');
      const send = (text) => socket.send(text, 8400, '192.0.2.1', () => console.log('sent'));
      require('node:readline').createInterface(process.stdin).on('line', send).on('close', () => socket.close());
      socket.on('message', () => console.log('answered'));`;
    const client = spawn('nsenter', ['-t', String(machine.world.pid), '-n', process.execPath, '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface(client.stdout)[Symbol.asyncIterator]();
    client.stdin.write('one\n');
    expect([(await lines.next()).value, (await lines.next()).value].toSorted()).toEqual(['answered', 'sent']);
    program.process.kill('SIGUSR2');
    await ready();
    client.stdin.end('another\n');
    expect((await lines.next()).value).toBe('sent');
    program.process.kill('SIGUSR2');
    const { stdout, stderr } = await program.ended;
    expect(stderr).toBe('');
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toEqual({ same: true, log: 'ready\nheard x\n' });
    await nothingLeft(machine);
  });

  it.each(['Node', 'the shim', 'both'])('leave nothing when it is killed: %s', async (which) => {
    const machine = await machineInWorld(temporary);
    const program = startNode('ports', ['hold'], machine.from);
    const line = await program.lines.next();
    if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
    expect(await ask(machine.net, 'tcp', '127.0.0.1', 8300)).toBe('10.89.0.1');
    expect(await rules(machine)).toContain('8300');
    const shim = shimOf(program.pid)?.pid;
    if (shim === undefined) throw new Error('it has no shim');
    if (which !== 'Node') process.kill(shim, 'SIGKILL');
    await until('the shim has ended', () => which === 'Node' || !isAlive(shim));
    if (which === 'the shim') expect(await rules(machine)).toBe('');
    program.process.kill('SIGKILL');
    await program.ended;
    await until('the shim has ended too', () => !isAlive(shim));
    expect(await rules(machine)).toBe('');
    expect(await runNode('ports', ['reap'], machine.from)).toEqual([]);
    for (const port of [8080, 8300]) expect(await ask(machine.net, 'tcp', '127.0.0.1', port)).toBe('ECONNREFUSED');
    await nothingLeft(machine);
  });

  it('of a detached container go on without the process that made it, and change by others', async () => {
    const machine = await machineInWorld(temporary);
    const id = await runNode<string>('ports', ['detach'], machine.from);
    const gateway = '10.89.0.1';
    expect(await runNode('ports', ['attach', id], machine.from)).toEqual({
      before: [8080, 8300],
      answers: [gateway, gateway, gateway, gateway, 'ECONNREFUSED', gateway],
      ports: [8080, 8301, 8302],
    });
    expect(await runNode('ports', ['end', id], machine.from)).toEqual({ ports: [], free: [true, true] });
    await nothingLeft(machine);
  });
});
