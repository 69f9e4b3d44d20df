import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'vitest';
import { signalProcesses } from '../../lib/native/signal-process.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({});

/** A process that ends by signals alone. */
async function sleeper(): Promise<{ child: ChildProcess; pid: number; ended: Promise<unknown[]> }> {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  await once(child, 'spawn');
  return { child, pid: child.pid ?? 0, ended: once(child, 'exit') };
}

describe('signals for processes of which the numbers are known', () => {
  it('go to those that are still meant, once they are held', async () => {
    const [meant, other] = [await sleeper(), await sleeper()];
    try {
      signalProcesses([meant.pid, other.pid], 10, (held) => {
        expect(held).toEqual([meant.pid, other.pid]);
        return [meant.pid];
      });
      expect(await meant.ended).toEqual([null, 'SIGUSR1']);
      expect(other.child.signalCode).toBe(null);
    } finally {
      other.child.kill('SIGTERM');
    }
    // it has heard of no other signal before
    expect(await other.ended).toEqual([null, 'SIGTERM']);
  });

  it('reach nobody where the process has ended', async () => {
    const { child, pid, ended } = await sleeper();
    child.kill('SIGKILL');
    await ended;
    signalProcesses([pid], 10, () => expect.fail('nobody is held'));
  });

  it('pass over 0, which the kernel tells of a process in another pid namespace', async () => {
    const { pid, ended } = await sleeper();
    signalProcesses([0, pid], 10, (held) => {
      expect(held).toEqual([pid]);
      return held;
    });
    expect(await ended).toEqual([null, 'SIGUSR1']);
  });

  it('are an error for a signal that there is none of', () => {
    const signalling = () => signalProcesses([process.pid], 999, (held) => held);
    expect(signalling).toThrow(expect.objectContaining({ code: 'EINVAL', syscall: 'pidfd_send_signal' }));
  });
});
