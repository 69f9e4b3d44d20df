import { execFileSync } from 'node:child_process';
import { expect } from 'vitest';
import { processes, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, useNets } from '../fixtures/nets.js';
import { startNode } from '../fixtures/node.js';
import { ASK } from '../fixtures/ports.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { machineInWorld, WORLD_TOOLS } from '../fixtures/world.js';

useLeakCheck();
const { describe, it } = requires({ root: true, containers: true, tools: [...WORLD_TOOLS, 'python3'], kernel: '5.12' });
const temporary = temporaryFolder();
useNets();

/** Says something to the shim in the place of a process beside it, by the socket that it has as descriptor 0 (pidfd_getfd(2)): PID BYTES. */
const FORGE = `
import ctypes, os, socket, struct, sys
getfd = ctypes.CDLL(None, use_errno=True).syscall
fd = getfd(438, os.pidfd_open(int(sys.argv[1])), 0, 0)
assert fd >= 0, ctypes.get_errno()
socket.socket(fileno=fd).send(bytes.fromhex(sys.argv[2]))`;

/** A request's answer of 16 bytes, as all of these processes have it: number, result, kind. */
function answer(number: number, result: number, kind: number): string {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(BigInt(number));
  bytes.writeInt32LE(result, 8);
  bytes.writeUInt32LE(kind, 12);
  return bytes.toString('hex');
}

const NAMES = ['nacelle-relay', 'nacelle-connect', 'nacelle-udp', 'nacelle-names'];

describe('a process beside the shim that was taken over', () => {
  it('is replaced when it says what none would, and tells of nothing that there is not', async () => {
    const { net, from } = await machineInWorld(temporary);
    const program = startNode('loopback-ports', [], from);
    const line = await program.lines.next();
    if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
    const shim = shimOf(program.pid)?.pid;
    const helper = (name: string): number | undefined =>
      processes().find(({ parent, command }) => parent === shim && command === name)?.pid;
    const serves = (): Promise<string> => inside(net, process.execPath, '-e', ASK, 'udp', '127.0.0.1', '8080');
    for (const name of NAMES) {
      const pid = await until(`${name} is there`, () => helper(name));
      const forge = (bytes: string): void => void execFileSync('python3', ['-c', FORGE, String(pid), bytes]);
      // numbers that nobody has, results and kinds of all sorts, and that it stands ready once more
      for (const [number, result, kind] of [
        [99, -2, 2],
        [99, 0, 4],
        [0, 0, 0],
        [0, -1, 200],
        [2 ** 40, -22, 7 * 2 ** 20],
      ] as const) {
        forge(answer(number, result, kind));
      }
      // the shim has heard these when it has heard what comes after them
      forge('616263');
      await until(`another ${name} is there`, () => ![undefined, pid].includes(helper(name)));
      await until('ports are served', async () => (await serves()).startsWith('1 '));
    }
    expect(shimOf(program.pid)?.pid).toBe(shim);
    program.process.kill('SIGUSR2');
    await program.lines.next();
    program.process.kill('SIGUSR2');
    expect((await program.ended).stderr).toBe('');
  });
});
