import { expect } from 'vitest';
import { pidOf, processInfo, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { live } from '../fixtures/live.js';
import { requires } from '../fixtures/requires.js';
import { watchStandstill } from '../fixtures/standstill.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });

describe('a test whose time is almost over', () => {
  it('shows its processes, what they wait for and what they hold', async () => {
    await using container = await live();
    const shim = pidOf(shimOf());
    await until('the program is that of the command', () => processInfo(container.pid)?.command === 'sleep');
    await until('both sleep', () => [container.pid, shim].every((pid) => processInfo(pid)?.state === 'S'));
    const words = await new Promise<string>((resolve) => {
      watchStandstill('this test', 1, resolve);
    });
    expect(words).toContain('"this test" stands still');
    expect(words).toMatch(new RegExp(`^process ${container.pid} \\(sleep\\), child of ${shim}, state S$`, 'm'));
    expect(words).toMatch(new RegExp(`^  thread ${shim}: system call \\d+ .*, waits in .*ep(?:oll|_poll)`, 'm'));
    expect(words).toMatch(new RegExp(`^  descriptor \\d+: anon_inode:\\[pidfd\\], Pid: ${container.pid}\\b`, 'm'));
  });

  it('shows nothing when it ends in time', async () => {
    const told: string[] = [];
    watchStandstill('this test', 1, (words) => told.push(words))();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(told).toEqual([]);
  });
});
