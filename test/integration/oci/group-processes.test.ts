import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { removeGroups } from '../../../lib/runtime-cli/create-container.js';
import { processesIn } from '../../../lib/runtime-cli/state/group-processes.js';
import { cgroupMounts } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: [] });
const mount = cgroupMounts().find(({ version }) => version === 2)?.path ?? '/sys/fs/cgroup';
const group = join(mount, `nacelle-test-${process.pid}-nested`);
const started: ChildProcess[] = [];

afterEach(async () => {
  await removeGroups([{ path: group, version: 2, controllers: [], mountPoint: mount }], { env: {} });
  expect(existsSync(group)).toBe(false);
  for (const child of started.splice(0)) if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
});

/** A process in the group that a descriptor leads to. */
function processIn(folder: string): number {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  started.push(child);
  if (child.pid === undefined) throw new Error('sleep was not started');
  writeFileSync(join(folder, 'cgroup.procs'), String(child.pid));
  return child.pid;
}

describe('the processes of a group', () => {
  it('are found in groups to which no path leads, and killed and removed there', async () => {
    mkdirSync(group);
    let fd = openSync(group, 'r');
    const expected = [processIn(group)];
    for (let depth = 0; depth < 60; ++depth) {
      const below = `/proc/self/fd/${fd}/${'n'.repeat(200)}`;
      mkdirSync(below);
      mkdirSync(`/proc/self/fd/${fd}/other`);
      const next = openSync(below, 'r');
      closeSync(fd);
      fd = next;
    }
    expected.push(processIn(`/proc/self/fd/${fd}`));
    closeSync(fd);
    expect(processesIn(group).sort()).toEqual(expected.sort());
  });

  it('are found by their threads in a threaded group', () => {
    mkdirSync(join(group, 'domain/threads'), { recursive: true });
    writeFileSync(join(group, 'domain/threads/cgroup.type'), 'threaded');
    const pid = processIn(join(group, 'domain/threads'));
    expect(processesIn(group)).toEqual([pid]);
    expect(processesIn(join(group, 'domain/threads'))).toEqual([pid]);
  });

  it('are none of a group that is not there', () => {
    expect(processesIn(join(group, 'missing'))).toEqual([]);
  });
});
