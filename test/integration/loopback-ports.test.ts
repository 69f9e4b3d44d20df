import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { processes, readText, shimOf, statusField } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, type Net, useNets } from '../fixtures/nets.js';
import { type NodeProgram, startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { machineInWorld, WORLD_TOOLS } from '../fixtures/world.js';

useLeakCheck();
const { describe, it } = requires({ root: true, containers: true, tools: WORLD_TOOLS, kernel: '5.12' });
const temporary = temporaryFolder();
useNets();

/** What clients on the machine have: a request of TCP, and one of UDP that is sent once more each 100 ms until it is answered. */
const CLIENT = `
const net = require('node:net'), dgram = require('node:dgram');
const tcp = (bytes, port = 8080, host = '127.0.0.1') => new Promise((done) => {
  let text = '';
  const socket = net.connect({ port, host, allowHalfOpen: true }, () => socket.end(bytes));
  socket.on('data', (data) => { text += data; }).on('error', (error) => done(error.code)).on('end', () => done(text));
});
const client = (host = '127.0.0.1') => {
  const socket = dgram.createSocket(host === '::1' ? 'udp6' : 'udp4');
  const ask = (bytes) => new Promise((done) => {
    const send = () => socket.send(bytes, 8080, host);
    const again = setInterval(send, 100);
    socket.once('message', (message) => { clearInterval(again); done(String(message)); });
    send();
  });
  return { ask, close: () => socket.close() };
};
const print = (value) => console.log(JSON.stringify(value));
`;
const asked = async (net: Net, script: string): Promise<unknown> =>
  JSON.parse(await inside(net, process.execPath, '-e', `${CLIENT}(async () => { ${script} })();`));

async function serving(): Promise<{ net: Net; program: NodeProgram; shim: number }> {
  const { net, from } = await machineInWorld(temporary);
  const program = startNode('loopback-ports', [], from);
  const line = await program.lines.next();
  if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
  const shim = shimOf(program.pid)?.pid;
  if (shim === undefined) throw new Error('it has no shim');
  return { net, program, shim };
}

async function ends({ program }: { program: NodeProgram }): Promise<void> {
  program.process.kill('SIGUSR2');
  const line = await program.lines.next();
  if (line.done) throw new Error(`it ended: ${JSON.stringify(await program.ended)}`);
  program.process.kill('SIGUSR2');
  expect((await program.ended).stderr).toBe('');
}

describe('ports at the loopback', () => {
  it('carry streams and datagrams as they are, while Node is held up', async () => {
    const served = await serving();
    const { net, program } = served;
    program.process.kill('SIGSTOP');
    const script = `
      const all = await Promise.all(Array.from({ length: 200 }, (_, place) => tcp(Buffer.alloc(place + 1))));
      const [one, other, six] = [client(), client(), client('::1')];
      const first = await one.ask('x'), second = await other.ask('x'), again = await one.ask('xx');
      print({
        all: all.every((text, place) => text === 'got ' + (place + 1)),
        large: await tcp(Buffer.alloc(20_000_000)), six: await tcp('x', 8080, '::1'),
        reset: await tcp('x', 8081), nobody: await tcp('x', 8082), closed: await tcp('x', 8083),
        flows: [first !== second, again.split(' ')[1] === first.split(' ')[1]],
        sizes: [await one.ask(Buffer.alloc(60_000)), await one.ask(''), await six.ask('xyz')].map((text) => text.split(' ')[0]),
      });
      for (const each of [one, other, six]) each.close();`;
    expect(await asked(net, script)).toEqual({
      all: true,
      large: 'got 20000000',
      six: 'got 1',
      reset: 'ECONNRESET',
      // the port is there, and nobody listens in the container
      nobody: 'ECONNRESET',
      closed: 'ECONNREFUSED',
      // each client has a port of its own there, and keeps it
      flows: [true, true],
      sizes: ['60000', '0', '3'],
    });
    program.process.kill('SIGCONT');
    await ends(served);
  });

  it('are there again when what carries them was killed', async () => {
    const served = await serving();
    const { net, shim } = served;
    const script = `const one = client(); print([await tcp('x'), (await one.ask('x')).split(' ')[0]]); one.close();`;
    expect(await asked(net, script)).toEqual(['got 1', '1']);
    for (const name of ['nacelle-relay', 'nacelle-connect', 'nacelle-udp']) {
      const found = processes().find(({ parent, command }) => parent === shim && command === name);
      if (found === undefined) throw new Error(`there is no ${name}`);
      const status = readText(`/proc/${found.pid}/status`) ?? '';
      const seen = ['Uid', 'CapPrm', 'NoNewPrivs', 'Seccomp'].map((field) => statusField(field, status).split('\t')[0]);
      expect([name, ...seen]).toEqual([name, '4294967294', '0000000000000000', '1', '2']);
      process.kill(found.pid, 'SIGKILL');
      await until('another one is there', () =>
        processes().some(({ parent, command, pid }) => parent === shim && command === name && pid !== found.pid),
      );
      expect([name, await asked(net, script)]).toEqual([name, ['got 1', '1']]);
    }
    await ends(served);
  });

  it('cut off what is open at the end of the container, and lead nowhere then', async () => {
    const served = await serving();
    const { net, program } = served;
    const script = `${CLIENT}
      const socket = net.connect(8080, '127.0.0.1', () => console.log('connected'));
      socket.on('error', () => undefined).on('close', () => { console.log('closed'); });`;
    const child = spawn('nsenter', ['-t', String(net.pid), '-n', process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe('connected');
    program.process.kill('SIGUSR2');
    expect(await program.lines.next()).toEqual({ done: false, value: 'true' });
    expect((await lines.next()).value).toBe('closed');
    expect(await asked(net, `print(await tcp('x'))`)).toBe('ECONNREFUSED');
    program.process.kill('SIGUSR2');
    expect((await program.ended).stderr).toBe('');
  });
});
