import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { expect } from 'vitest';
import { Container, type ContainerOptions } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { isAlive, makerOfContainers, processes, readText, statusField } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true });
const withPython = requires({ containers: true, tools: ['python3'] });
const withShares = requires({ containers: true, tools: ['prlimit'] });
const onNetworks = requires({ root: true, tools: ['unshare', 'ip'] });
const temporary = temporaryFolder();

/** A server of this process's own loopback. */
async function serving(serve: (socket: Socket) => void, host = '127.0.0.1') {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    serve(socket);
  });
  server.listen({ port: 0, host, backlog: 4096 });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    sockets,
    accepted: server,
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const echo = (socket: Socket): void => void socket.pipe(socket);

/** A number of a port at which nobody listens: one that was free just now. */
async function freePort(): Promise<number> {
  await using server = await serving(() => undefined);
  return server.port;
}

const inside = `
const net = require('node:net');
const connect = (port, host = 'host.nacelle.internal') => net.connect({ port, host, allowHalfOpen: true });
const reached = (socket) => new Promise((done) => socket.on('error', (error) => done(error.code)).on('close', () => done('closed')));
const read = async (socket) => { const parts = []; for await (const part of socket) parts.push(part); return Buffer.concat(parts); };
const print = (value) => console.log(JSON.stringify(value));
`;

/** What a program of Node's in a container prints. */
async function within(script: string, options: ContainerOptions): Promise<unknown> {
  const { stdout, stderr, failed } = await Container.run({ image: 'host', command: [execPath, '-e', inside + script], ...options });
  if (failed) throw new Error(stderr);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
}

/** A program of Node's in a container, which has printed 'ready'. */
async function started(script: string, options: ContainerOptions): Promise<Container> {
  const container = await Container.create({ image: 'host', command: [execPath, '-e', inside + script], ...options });
  await container.start();
  await container.waitFor({ log: 'ready' });
  return container;
}

/** The two processes beside the shim. */
function helpers(): { relay: number; connector: number } | null {
  const own = processes().filter(({ parent }) => parent === makerOfContainers());
  const pid = (name: string): number | undefined => own.find(({ command }) => command === name)?.pid;
  const [relay, connector] = [pid('nacelle-relay'), pid('nacelle-connect')];
  return relay === undefined || connector === undefined ? null : { relay, connector };
}
const helpersNow = (): Promise<{ relay: number; connector: number }> => until('the two processes are there', helpers);

describe('hostPorts', () => {
  it('are found by name, also where only addresses of a family that the machine has are asked for', async () => {
    await using server = await serving((socket) => socket.end('hello'));
    const script = `
      const { lookup } = require('node:dns').promises;
      const name = 'host.nacelle.internal';
      (async () => print([await lookup(name, { family: 4, hints: require('node:dns').ADDRCONFIG }), String(await read(connect(${server.port})))]))();`;
    expect(await within(script, { hostPorts: [server.port] })).toEqual([{ address: '198.19.255.254', family: 4 }, 'hello']);
  });

  it('lead to ::1 where nobody listens at 127.0.0.1', async () => {
    await using server = await serving((socket) => socket.end('six'), '::1');
    expect(await within(`read(connect(${server.port})).then((got) => print(String(got)))`, { hostPorts: [server.port] })).toBe('six');
  });

  it('are those alone: no other port, and no other address', async () => {
    await using open = await serving(echo);
    await using other = await serving((socket) => socket.end('the host'));
    const script = `(async () => print(await Promise.all([
      reached(connect(${other.port})), reached(connect(${open.port}, '127.0.0.1')), reached(connect(${other.port}, '127.0.0.1')),
    ])))();`;
    expect(await within(script, { hostPorts: [open.port] })).toEqual(['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED']);
  });

  it('reset at once what goes to a port at which nobody listens', async () => {
    const port = await freePort();
    expect(await within(`reached(connect(${port})).then(print)`, { hostPorts: [port] })).toBe('ECONNRESET');
  });

  it('carry 50 MiB each way as they are, and each side ends by itself', async () => {
    const size = 50 * 2 ** 20;
    const digest = createHash('sha256').update(Buffer.alloc(size, 'nacelle ')).digest('hex');
    // ends only when it has read all: then it says what came, and sends as much
    await using server = await serving((socket) => {
      const hash = createHash('sha256');
      socket.on('data', (chunk) => hash.update(chunk));
      socket.on('end', () => {
        socket.write(hash.digest('hex'));
        socket.end(Buffer.alloc(size, 'nacelle '));
      });
    });
    const heard: string[] = [];
    // the other way round: ends first, and reads on
    await using first = await serving((socket) => {
      socket.end('first');
      socket.setEncoding('utf8').on('data', (text: string) => heard.push(text));
      socket.on('end', () => heard.push('end'));
    });
    const script = `(async () => {
      const socket = connect(${server.port});
      socket.end(Buffer.alloc(${size}, 'nacelle '));
      const got = await read(socket);
      const hash = require('node:crypto').createHash('sha256').update(got.subarray(64)).digest('hex');
      const second = connect(${first.port});
      const said = String(await new Promise((done) => second.once('data', done)));
      await new Promise((done) => second.once('end', done));
      second.end('afterwards');
      await new Promise((done) => second.once('close', done));
      print([String(got.subarray(0, 64)), hash, said]);
    })();`;
    expect(await within(script, { hostPorts: [server.port, first.port] })).toEqual([digest, digest, 'first']);
    await until('the other side has heard all', () => heard.includes('end'));
    expect(heard.join('')).toBe('afterwardsend');
  });

  it('a thousand at once, each its own, beside clients that never read', async () => {
    await using server = await serving(echo);
    const chunk = Buffer.alloc(2 ** 16);
    await using flood = await serving((socket) => {
      const send = (): void => {
        while (socket.write(chunk));
      };
      socket.on('drain', send);
      send();
    });
    const stuck = `setInterval(() => {}, 1e6);
      for (let i = 0; i < 10; ++i) connect(${flood.port}).pause().once('connect', () => i === 9 && console.log('ready'));`;
    await using first = await started(stuck, { hostPorts: [flood.port, server.port] });
    await until('all of them are stuck', () => flood.sockets.size === 10 && [...flood.sockets].every((one) => one.writableNeedDrain));
    const script = `(async () => {
      const words = Array.from({ length: 1000 }, (_, i) => 'stream ' + i);
      const sockets = words.map(() => connect(${server.port}));
      await Promise.all(sockets.map((socket) => new Promise((done) => socket.once('connect', done))));
      const got = await Promise.all(sockets.map((socket, i) => (socket.end(words[i]), read(socket))));
      print(got.every((one, i) => String(one) === words[i]) && got.length);
    })();`;
    expect(await within(script, { hostPorts: [server.port] })).toBe(1000);
    // and beside its own that are stuck
    const own = await first.exec([
      execPath,
      '-e',
      `${inside}const one = connect(${server.port}); one.end('own'); read(one).then((x) => print(String(x)))`,
    ]);
    expect(own.stdout).toBe('"own"\n');
    expect(flood.sockets.size).toBe(10);
  });

  it('reset the other side when one breaks off', async () => {
    const codes: string[] = [];
    await using server = await serving((socket) => {
      socket.on('error', (error: NodeJS.ErrnoException) => codes.push(error.code ?? '')).resume();
      socket.write('hello');
    });
    const breaks = `const one = connect(${server.port}); one.once('data', () => { one.resetAndDestroy(); print('broken'); });`;
    expect(await within(breaks, { hostPorts: [server.port] })).toBe('broken');
    await until('it is told', () => codes.length > 0);
    expect(codes).toEqual(['ECONNRESET']);
    await using rude = await serving((socket) => void socket.once('data', () => socket.resetAndDestroy()));
    expect(await within(`const one = connect(${rude.port}); one.write('x'); reached(one).then(print)`, { hostPorts: [rude.port] })).toBe(
      'ECONNRESET',
    );
  });

  withPython.it('carry what comes behind an urgent byte, from either side, and then the end', async () => {
    const heard: string[] = [];
    // each waits for what the other one said behind the mark, and only then ends
    const side = (make: string) => `
import socket
${make}
one.sendall(b'before')
one.send(b'!', socket.MSG_OOB)
one.sendall(b'behind')
got = b''
while b'behind' not in got: got += one.recv(99) or exit('ended')
one.send(b'!', socket.MSG_OOB)
one.sendall(b'last')
one.shutdown(socket.SHUT_WR)
while part := one.recv(99): got += part
print(got.decode(), flush=True)`;
    const listen = "server = socket.create_server(('127.0.0.1', 0)); print(server.getsockname()[1], flush=True); one, _ = server.accept()";
    const server = spawn('python3', ['-c', side(listen)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(server, 'close');
    server.stdout.setEncoding('utf8').on('data', (text: string) => heard.push(text));
    const port = Number(await until('the server has a port', () => heard[0]));
    const connect = `one = socket.create_connection(('host.nacelle.internal', ${port}))`;
    const { stdout, stderr } = await Container.run({ image: 'host', command: ['python3', '-c', side(connect)], hostPorts: [port] });
    await ended;
    const all = expect.stringMatching(/^before!?behind!?last$/);
    expect({ inside: stdout.trim(), outside: heard.slice(1).join('').trim(), stderr }).toEqual({ inside: all, outside: all, stderr: '' });
  });

  it('go on without the process that connects, and begin again after the one that carries', async () => {
    await using server = await serving(echo);
    const script = `
      let one = connect(${server.port});
      const listen = () => one.on('data', (data) => console.log('got ' + data)).on('end', () => console.log('ended')).on('error', (error) => console.log(error.code));
      listen().once('connect', () => console.log('ready'));
      process.stdin.setEncoding('utf8').on('data', (line) => {
        if (line.startsWith('new')) (one = connect(${server.port}), listen());
        one.write(line.trim());
      });`;
    await using container = await started(script, { hostPorts: [server.port], stdin: 'pipe' });
    const say = (line: string): void => void container.stdin?.write(`${line}\n`);
    const before = await helpersNow();
    process.kill(before.connector, 'SIGKILL');
    say('on');
    await container.waitFor({ log: 'got on' });
    say('new one');
    await container.waitFor({ log: 'got new one' });
    const between = await helpersNow();
    expect(between.relay).toBe(before.relay);
    expect(between.connector).not.toBe(before.connector);
    process.kill(between.relay, 'SIGKILL');
    // the kernel closes what it had
    await container.waitFor({ log: 'ended' });
    say('new two');
    await container.waitFor({ log: 'got new two' });
    expect((await helpersNow()).relay).not.toBe(between.relay);
  });

  it('are served to a container that comes while the process that carries them is dead', async () => {
    await using server = await serving((socket) => socket.end('hello'));
    await using _ = await started("console.log('ready'); setInterval(() => {}, 1e6)", { hostPorts: [server.port] });
    for (let round = 0; round < 5; round++) {
      const { relay } = await helpersNow();
      process.kill(relay, 'SIGKILL');
      // the next one comes after a tenth of a second
      await until('it has ended', () => !isAlive(relay));
      const options = { hostPorts: [server.port], timeout: 60_000 };
      expect(await within(`read(connect(${server.port})).then((got) => print(String(got)))`, options)).toBe('hello');
    }
  });

  it('work in each run of a container', async () => {
    await using server = await serving((socket) => socket.end('hello'));
    let runs = 0;
    server.accepted.on('connection', () => ++runs);
    const script = `read(connect(${server.port})).then((got) => { console.log(String(got)); setInterval(() => {}, 1e6); console.log('ready'); });`;
    await using container = await started(script, { hostPorts: [server.port], restart: { on: 'failure' } });
    await container.restart({ timeout: 0 });
    await until('the second run has said it', () => runs === 2);
  });

  it('are carried by processes without rights, of which the one that reads can make no socket', async () => {
    await using server = await serving(echo);
    await using container = await started("console.log('ready'); setInterval(() => {}, 1e6)", { hostPorts: [server.port] });
    expect((await container.inspect()).options?.hostPorts).toEqual([server.port]);
    const { relay, connector } = await helpersNow();
    for (const pid of [relay, connector]) {
      const status = await until('it is confined', () => {
        const text = readText(`/proc/${pid}/status`) ?? '';
        return statusField('Seccomp', text) === '2' ? text : null;
      });
      expect(statusField('CapEff', status)).toBe('0000000000000000');
      expect(statusField('CapBnd', status) === '' || statusField('NoNewPrivs', status)).toBe('1');
      if (isRoot) expect(statusField('Uid', status).split(/\s+/)[0]).toBe('4294967294');
    }
  });

  it('are carried while the event loop is blocked', async () => {
    const told = join(temporary, 'told');
    mkdirSync(told);
    chmodSync(told, 0o777);
    expect(await runNode('host-ports', ['blocked', told])).toBe('heard');
  });

  it('are carried for a detached container when the process that made it has ended', async () => {
    let count = 0;
    await using server = await serving((socket) => {
      ++count;
      socket.resume().end();
    });
    const id = await runNode<string>('host-ports', ['detached', String(server.port)]);
    const before = count;
    await until('it has come again', () => count > before + 3);
    await using container = await Container.attach(id);
    expect((await container.inspect()).options?.hostPorts).toEqual([server.port]);
    await container.remove({ force: true });
  });

  withShares.it('are shared fairly where there is little room', async () => {
    const through = ['prlimit', '--nofile=1800:1800'];
    const { few, all, isBounded } = await runNode<Record<string, unknown>>('host-ports', ['shares'], { through });
    expect(few).toEqual(all);
    expect(isBounded).toBe(true);
  });

  onNetworks.it("are nobody else's on a network, but for who shares the namespace", async () => {
    const folder = join(temporary, 'bridge');
    const env = { NACELLE_RUNROOT: join(folder, 'run'), NACELLE_ROOT: join(folder, 'store') };
    const through = ['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];
    const seen = await runNode('host-ports', ['bridge'], { env, through });
    expect(seen).toEqual({ attack: expect.stringMatching(/^(?:nothing|ECONNREFUSED|EHOSTUNREACH)$/), stderr: '', shared: 'shared' });
  });

  onNetworks.it('are closed to what comes by a link, whatever rules there are', async () => {
    const through = ['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];
    expect(await runNode('host-ports', ['veth'], { through })).toBe('ECONNREFUSED');
  });
});
