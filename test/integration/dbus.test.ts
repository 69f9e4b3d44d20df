import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, it as everywhere, expect, vi } from 'vitest';
import { AUTH, BEGIN } from '../../lib/dbus/auth.js';
import { Bus } from '../../lib/dbus/bus.js';
import { unixSocketsIn } from '../../lib/dbus/bus-address.js';
import { encodeMessage, LONGEST_MESSAGE, type Message } from '../../lib/dbus/message.js';
import type { Value } from '../../lib/dbus/value.js';
import { startScope } from '../../lib/host/user-systemd.js';
import { typedValues } from '../fixtures/dbus-values.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { patience } from '../fixtures/patience.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const withDaemon = requires({ tools: ['dbus-daemon', 'dbus-send'] });
const asRoot = requires({ root: true, tools: [] });

const MOST = 60_000 * patience;

let folder = '';
const ends: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nacelle-test-'));
});

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true });
});

/** A bus of its own, in the test's folder. @returns its socket */
async function startDaemon(address = `unix:path=${join(folder, 'bus')}`): Promise<string> {
  const daemon = spawn('dbus-daemon', ['--session', '--nofork', '--nopidfile', '--print-address', `--address=${address}`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(daemon, 'close');
  ends.push(async () => {
    daemon.kill();
    await ended;
  });
  const [line] = await once(daemon.stdout, 'data');
  const [socket = ''] = unixSocketsIn(String(line).trim(), null);
  return socket;
}

async function connect(socket: string, onSignal: (signal: Message) => void = () => undefined, isBus = true, limit = MOST): Promise<Bus> {
  const bus = await Bus.connect(socket, { timeout: limit, isBus, onSignal });
  ends.push(() => bus.close());
  return bus;
}

/** A program on the bus that sends signals, which nothing of the library does: an invalid one ends its connection. */
async function sender(socket: string): Promise<Socket> {
  const raw = createConnection(socket).on('error', () => undefined);
  ends.push(() => raw.destroy());
  raw.write(AUTH);
  await once(raw, 'data');
  const bus = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' };
  raw.write(Buffer.concat([BEGIN, encodeMessage({ type: 'call', serial: 1, ...bus, member: 'Hello', body: [] })]));
  return raw;
}

/** Another process that serves at a socket: what it answers after the client's first bytes. */
async function serve(answer: (client: Socket) => void, socket = join(folder, 'server')): Promise<string> {
  const server: Server = createServer((client) => {
    client.on('error', () => undefined);
    client.once('data', () => answer(client));
    ends.push(() => client.destroy());
  }).listen(socket);
  ends.push(() => new Promise((resolve) => server.close(resolve)));
  await once(server, 'listening');
  return socket;
}

withDaemon.it('a bus gives a name, answers, and tells an error by its name', async () => {
  const bus = await connect(await startDaemon());
  const object = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' };
  const [names] = await bus.call({ ...object, member: 'ListNames' });
  expect(names).toEqual(['org.freedesktop.DBus', expect.stringMatching(/^:1\.\d+$/)]);
  const [own] = await bus.call({ ...object, member: 'GetConnectionUnixUser', signature: 's', body: ['org.freedesktop.DBus'] });
  expect(own).toBe(process.geteuid?.());
  await expect(bus.call({ ...object, member: 'GetNameOwner', signature: 's', body: ['a.b'] })).rejects.toMatchObject({
    name: 'DBusError',
    errorName: 'org.freedesktop.DBus.Error.NameHasNoOwner',
  });
});

withDaemon.it('values of all types are what libdbus takes them for: the bus checks each, and closes on who is wrong', async () => {
  const socket = await startDaemon();
  const heard: Message[] = [];
  let wake = (): void => undefined;
  const bus = await connect(socket, (signal) => {
    heard.push(signal);
    wake();
  });
  const [names] = await bus.call({
    destination: 'org.freedesktop.DBus',
    path: '/',
    interface: 'org.freedesktop.DBus',
    member: 'ListNames',
  });
  const own = (names as readonly Value[]).map(String).find((name) => name.startsWith(':')) ?? '';
  const other = await sender(socket);
  const lost = once(other, 'close').then(() => Promise.reject(new Error('the bus has closed the connection of who sends')));
  let serial = 1;
  heard.length = 0;
  await fc.assert(
    fc.asyncProperty(typedValues, async (typed) => {
      const signature = typed.map((each) => each.signature).join('');
      fc.pre(signature.length <= 255);
      const body = typed.map(({ value }) => value);
      const came = new Promise<void>((resolve) => {
        wake = resolve;
      });
      serial += 1;
      other.write(encodeMessage({ type: 'signal', serial, destination: own, path: '/a', interface: 'a.b', member: 'M', signature, body }));
      await Promise.race([came, lost]);
      expect(heard.pop()?.body).toEqual(body);
    }),
    { numRuns: 200 },
  );
  lost.catch(() => undefined);
});

withDaemon.it("what another program sends is read: dbus-send's words", async () => {
  const socket = await startDaemon();
  const heard = await new Promise<Message>((resolve, reject) => {
    connect(socket, ({ member, ...signal }) => {
      if (member === 'M') resolve({ member, ...signal });
    })
      .then(async (bus) => {
        await bus.addMatch("type='signal',member='M'");
        const values = ['int16:-2', 'uint64:18446744073709551615', 'double:1.5', 'boolean:true', 'string:é', 'objpath:/a/b'];
        const nested = ['array:string:a,b', 'dict:string:uint32:k,1,l,2', 'variant:byte:7'];
        execFileSync('dbus-send', [`--bus=unix:path=${socket}`, '/a', 'a.b.M', ...values, ...nested]);
      })
      .catch(reject);
  });
  const dictionary = [
    ['k', 1],
    ['l', 2],
  ];
  expect(heard.body).toEqual([-2, 2n ** 64n - 1n, 1.5, true, 'é', '/a/b', ['a', 'b'], dictionary, { signature: 'y', value: 7 }]);
});

withDaemon.it('a bus without systemd is told of as such', async () => {
  const socket = await startDaemon();
  const { XDG_RUNTIME_DIR, DBUS_SESSION_BUS_ADDRESS } = process.env;
  ends.push(() => {
    Object.assign(process.env, { XDG_RUNTIME_DIR, DBUS_SESSION_BUS_ADDRESS });
    for (const name of ['XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS']) if (process.env[name] === 'undefined') delete process.env[name];
  });
  process.env.XDG_RUNTIME_DIR = join(folder, 'runtime');
  const scope = { unit: 'nacelle-test.scope', description: 'a test', pids: [process.pid] };
  delete process.env.DBUS_SESSION_BUS_ADDRESS;
  await expect(startScope(scope)).rejects.toMatchObject({
    name: 'UnsupportedError',
    reason: `user ${process.geteuid?.()} has no systemd: no socket in ${folder}/runtime`,
  });
  process.env.DBUS_SESSION_BUS_ADDRESS = `unix:path=${socket}`;
  await expect(startScope(scope)).rejects.toMatchObject({ reason: 'there is no systemd on the bus of this user' });
  process.env.DBUS_SESSION_BUS_ADDRESS = '/dev/null';
  await expect(startScope(scope)).rejects.toMatchObject({
    name: 'UnsupportedError',
    reason: "D-Bus: '/dev/null' is no address of a bus",
  });
});

withDaemon.it('an abstract address is connected to', async () => {
  const socket = await startDaemon(`unix:abstract=${folder}/%c3%a9`);
  expect(socket).toBe(`\0${folder}/é`);
  await connect(socket);
});

everywhere('who never answers holds nobody up', async () => {
  const socket = await serve(() => undefined);
  await expect(connect(socket, undefined, true, 200)).rejects.toThrow('D-Bus: no answer within 200 ms');
});

everywhere('who goes away is told of', async () => {
  const socket = await serve((client) => client.end('OK 00\r\n'));
  await expect(connect(socket)).rejects.toThrow(/^D-Bus: (?:the other end has closed the connection|.*EPIPE|.*ECONNRESET)/);
});

const HEADER = encodeMessage({ type: 'return', serial: 1, replySerial: 1, signature: 's', body: ['x'] });

everywhere.each<[string, (bytes: Buffer) => Buffer, string]>([
  ['no message', () => Buffer.from('HTTP/1.1 400 Bad Request\r\n'), 'a message that begins with 72'],
  [
    'a message without end',
    (bytes) => {
      bytes.writeUInt32LE(LONGEST_MESSAGE, 4);
      return bytes;
    },
    `more than ${LONGEST_MESSAGE}`,
  ],
  [
    'an answer to nobody',
    () => encodeMessage({ type: 'return', serial: 1, replySerial: 99, body: [] }),
    'an answer to call 99, which nobody made',
  ],
])('%s is an error of its own', async (_, answer, problem) => {
  const socket = await serve((client) => client.write(Buffer.concat([Buffer.from('OK 00\r\n'), answer(Buffer.from(HEADER))])));
  await expect(connect(socket)).rejects.toMatchObject({ name: 'DBusError', code: 'ERR_DBUS', message: expect.stringContaining(problem) });
});

everywhere('an answer that comes byte by byte is read', async () => {
  const socket = await serve((client) => {
    // the answer is one to a call, which comes after the client has been let in
    client.once('data', () => {
      for (const byte of HEADER) client.write(Buffer.of(byte));
    });
    for (const byte of Buffer.from('OK 00\r\n')) client.write(Buffer.of(byte));
  });
  await connect(socket);
});

const LISTEN = `require('node:net').createServer().listen(process.argv[1], () => { require('node:fs').chmodSync(process.argv[1], 0o777); console.log('listening'); })`;

/** A Node.js that listens at the socket, started by a command. */
async function listener(
  socket: string,
  [command = '', ...words]: readonly string[],
  as: { uid?: number; gid?: number } = {},
): Promise<void> {
  const other = spawn(command, [...words, process.execPath, '-e', LISTEN, socket], { ...as, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(other, 'close');
  ends.push(async () => {
    other.kill('SIGKILL');
    await ended;
  });
  await once(other.stdout, 'data');
}

everywhere('a systemd that has not answered is waited for once, and hardly again', async () => {
  const runtime = join(folder, 'runtime');
  mkdirSync(join(runtime, 'systemd'), { recursive: true });
  await listener(join(runtime, 'systemd/private'), ['env']);
  vi.stubEnv('XDG_RUNTIME_DIR', runtime);
  vi.stubEnv('DBUS_SESSION_BUS_ADDRESS', undefined);
  const start = () => startScope({ unit: 'nacelle-test.scope', description: 'test', pids: [process.pid] });
  try {
    await expect(start()).rejects.toMatchObject({ reason: expect.stringMatching(/no answer within (4\d{3}|5000) ms/) });
    await expect(start()).rejects.toMatchObject({ reason: expect.stringMatching(/no answer within ([1-4]\d\d|500) ms/) });
  } finally {
    vi.unstubAllEnvs();
  }
});

asRoot.it('a socket of another user is none for this one', async () => {
  chmodSync(folder, 0o777);
  const socket = join(folder, 'stranger');
  await listener(socket, ['env'], { uid: 65_534, gid: 65_534 });
  await expect(connect(socket, undefined, true, 5000)).rejects.toThrow('is of user 65534, not of this one');
});

requires({ tools: ['unshare'] }).it.each([
  ['user', ['unshare', '--user', '--map-root-user']],
  ['pid', ['unshare', '--user', '--map-current-user', '--pid', '--fork', '--kill-child']],
])('a socket of this user, below in a %s namespace, is none for this one', async (_, command) => {
  const socket = join(folder, 'below');
  await listener(socket, command);
  await expect(connect(socket, undefined, true, 5000)).rejects.toThrow('is of a process in a user or pid namespace below');
});
