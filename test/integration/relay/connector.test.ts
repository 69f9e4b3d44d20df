import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { DRIVER_COMPILER, nativeDriver } from '../../fixtures/native-driver.js';
import { requires } from '../../fixtures/requires.js';

// The process that connects, asked by a relay that a container has taken over: test/native/relay_driver.cc.
const { describe, it } = requires({ tools: [DRIVER_COMPILER] });
useLeakCheck();

const shim = fileURLToPath(new URL('../../../build/Release/nacelle-shim', import.meta.url));

/** What these call. */
const PARTS = ['modes/beside.cc', 'kernel/loop.cc', 'kernel/file_io.cc', 'kernel/unprivileged.cc'];

const relayDriver = (): Promise<string> => nativeDriver('relay_driver', ['relay', 'egress', 'names', ...PARTS]);

describe('the process that carries', () => {
  it('is killed when it sends in a way that connects', async () => {
    const { stdout, stderr } = spawnSync(await relayDriver(), { encoding: 'utf8' });
    const { SIGSYS } = constants.signals;
    expect({ stdout, stderr }).toEqual({ stdout: `0\n${SIGSYS}\n0\n${SIGSYS}\n`, stderr: '' });
  });
});

describe('the process that connects', () => {
  it('goes where the very socket may go, and nowhere else', async () => {
    const driver = await relayDriver();
    const servers: Server[] = [];
    const ports: number[] = [];
    for (let i = 0; i < 2; ++i) {
      const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      servers.push(server);
      ports.push(address.port);
    }
    const [allowed, other] = ports;
    const dials: [string, string][] = [
      [`1 127.0.0.1 ${allowed}`, '0 0'],
      [`1 127.0.0.1 ${other}`, 'refused'],
      [`1 127.0.0.2 ${allowed}`, 'refused'],
      [`1 ::ffff:127.0.0.1 ${allowed}`, 'refused'],
      [`1 ::1 ${allowed}`, 'refused'],
      // nobody listens there: it says so at once, or when it is known
      [`2 ::1 ${allowed}`, 'nobody'],
      [`2 127.0.0.1 ${allowed}`, 'refused'],
      [`3 127.0.0.1 ${allowed}`, 'refused'],
      [`4 127.0.0.1 ${allowed}`, 'refused'],
      [`1 127.0.0.1 ${allowed}`, '0 0'],
    ];
    const { stdout, stderr } = spawnSync(driver, [shim], { input: dials.map(([line]) => `${line}\n`).join(''), encoding: 'utf8' });
    for (const server of servers) server.close();
    const { EACCES, ECONNREFUSED, EADDRNOTAVAIL } = constants.errno;
    const nobody = [`-${ECONNREFUSED} 1`, `0 -${ECONNREFUSED}`, `-${EADDRNOTAVAIL} 1`];
    const told = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (line === `-${EACCES} 1` ? 'refused' : nobody.includes(line) ? 'nobody' : line));
    expect(stderr).toBe('');
    expect(told).toEqual(dials.map(([, result]) => result));
  });
});
