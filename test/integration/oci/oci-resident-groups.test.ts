import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { readIfThere } from '../../../lib/native/read-if-there.js';
import { removeGroups } from '../../fixtures/groups.js';
import { cgroupMounts } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { useResidentPlanner } from '../../fixtures/resident-planner.js';
import { called, type RuntimeCall } from '../../fixtures/runtime-bundle.js';
import { until } from '../../fixtures/until.js';

// An engine starts the runtime in groups of a container's, which it removes, or kills as a whole.

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'unshare', 'mount'] });
const { states, front, started, planners } = useResidentPlanner();

const groups = cgroupMounts().map(({ path }) => join(path, `nacelle-test-${process.pid}-starter`));
afterEach(() => removeGroups(...groups));

/** Calls the front in groups of its own, after what a line of a shell does. */
function calledInGroups(line: string): Promise<RuntimeCall> {
  for (const group of groups) {
    mkdirSync(group);
    // v1 has nobody in a group without processors
    for (const file of ['cpuset.mems', 'cpuset.cpus']) copyFromAbove(group, file);
  }
  const enter = groups.map((group) => `echo $$ > ${group}/cgroup.procs`).join(' && ');
  const script = `${enter} && ${line} exec '${front}' --root '${states}' exec nobody true`;
  return called('unshare', ['--mount', 'sh', '-c', script]);
}

function copyFromAbove(group: string, file: string): void {
  const above = readIfThere(join(group, '..', file));
  if (above !== null && readIfThere(join(group, file))?.trim() === '') writeFileSync(join(group, file), above);
}

describe('a resident planner', () => {
  it('is in no group of whoever started it, nor has its ranks', async () => {
    const call = await calledInGroups('busybox renice -n 5 -p $$;');
    expect(call).toMatchObject({ code: 255, stderr: 'container does not exist\n' });
    const [pid = 0] = await until('a planner is there', () => planners().length > 0 && planners());
    await until('it serves', () => existsSync(join(states, '@planner')));
    const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
    expect(lines.filter((entry) => !/^\d+:[^:]*:(\/|\/nacelle-oci)$/.test(entry))).toEqual([]);
    // the 19th field, of which the program's name is the second
    expect(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[16]).toBe('0');
    await removeGroups(...groups);
    expect(groups.filter((group) => existsSync(group))).toEqual([]);
    expect(planners()).toEqual([pid]);
  });

  it('is not started where the groups can not be left, and commands go on without it', async () => {
    const readOnly = cgroupMounts().map(({ path }) => `mount -o remount,bind,ro ${path} &&`);
    const call = await calledInGroups(readOnly.join(' '));
    expect(call).toMatchObject({ code: 255, stderr: 'container does not exist\n' });
    expect([started(), planners(), existsSync(join(states, '@planner'))]).toEqual([['exec nobody true'], [], false]);
  });
});
