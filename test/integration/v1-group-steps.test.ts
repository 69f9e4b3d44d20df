import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { carryOut } from '../../lib/native/host-work.js';
import { NONE, planOf } from '../../lib/plan/plan.js';
import type { Step } from '../../lib/plan/steps.js';
import { groupOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ root: true, cgroup: 'v1', tools: ['setpriv'] });

/** The top of v1's hierarchy of the controller. */
function topOf(controller: string): string {
  const mount = groupOf(controller);
  if (mount?.version !== 1) throw new Error(`needs the controller ${controller} of cgroup v1`);
  return mount.path;
}

const NAME = `nacelle-test-${process.pid}-steps`;

const group = 0;
const make = (path: string): Step => ({ op: 'make_group', host: true, out: group, at: NONE, path });
const removed = (path: string): Step => ({ op: 'remove_group', host: true, at: NONE, path });
const list = (folder: string, file: string): string => readFileSync(join(folder, file), 'utf8').trim();

describe('devices that are allowed in one step', () => {
  let devices = '';
  beforeEach(() => {
    devices = join(topOf('devices'), NAME);
  });
  afterEach(() => carryOut(planOf({ undo: [removed(devices)] })));

  const refuseAll: Step = { op: 'put', host: true, at: group, path: 'devices.deny', bytes: Buffer.from('a') };
  const allow = (...rules: string[]): Step => ({ op: 'allow_devices', host: true, group, devices: rules });

  it('are all that are named', async () => {
    await carryOut(planOf({ prepare: [make(devices), refuseAll, allow('c 1:3 rwm', 'c 136:* rw', 'c 0:0 m')] }));
    expect(list(devices, 'devices.list').split('\n')).toEqual(['c 1:3 rwm', 'c 136:* rw', 'c 0:0 m']);
  });

  it('have those letters alone that the group above has', async () => {
    const below = join(devices, 'below');
    await carryOut(
      planOf({ prepare: [make(devices), refuseAll, allow('c 1:3 rm', 'c 1:5 w'), make(below), refuseAll, allow('c 1:3 rwm', 'c 1:5 rw')] }),
    );
    expect(list(below, 'devices.list').split('\n')).toEqual(['c 1:3 rm', 'c 1:5 w']);
  });

  it('are refused with the file and the rule, and what was made goes', async () => {
    const plan = planOf({
      prepare: [make(devices), refuseAll, allow('c 1:3 rwm', 'c 1:5 never', 'c 1:7 rwm')],
      undo: [removed(devices)],
    });
    await expect(carryOut(plan)).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringMatching(/^allow devices in the cgroup.*devices\.allow: c 1:5 never/),
    });
    expect(existsSync(devices)).toBe(false);
  });

  it('are refused so by the step of older versions too', async () => {
    const one: Step = { op: 'allow_device', host: true, group, device: 'c 1:5', access: 'never' };
    await expect(carryOut(planOf({ prepare: [make(devices), one] }))).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringMatching(/^allow the device c 1:5 in the cgroup.*devices\.allow: c 1:5 never/),
    });
  });
});

describe('the CPUs that a new group of v1 is given', () => {
  let [top, cpuset, above, below] = ['', '', '', ''];
  beforeEach(() => {
    top = topOf('cpuset');
    cpuset = join(top, NAME);
    above = join(cpuset, 'above');
    below = join(above, 'below');
  });
  afterEach(() => carryOut(planOf({ undo: [removed(cpuset)] })));

  const inherit = (path: string, most: number): Step => ({ op: 'inherit_cpusets', host: true, path, most });

  it('are given to those above it first', async () => {
    await carryOut(planOf({ prepare: [make(below), inherit(below, 3)] }));
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      expect(list(top, file)).not.toBe('');
      for (const folder of [cpuset, above, below]) expect(list(folder, file)).toBe(list(top, file));
    }
  });

  it('are those of the nearest one that has some, which keeps its own', async () => {
    const only: Step = { op: 'put', host: true, at: NONE, path: join(above, 'cpuset.cpus'), bytes: Buffer.from('0') };
    await carryOut(planOf({ prepare: [make(above), inherit(above, 2), only, make(below), inherit(below, 3)] }));
    expect([above, below].map((folder) => list(folder, 'cpuset.cpus'))).toEqual(['0', '0']);
  });

  it('are those of one that may only be read', async () => {
    await carryOut(planOf({ prepare: [make(above), inherit(above, 2), make(below)] }));
    for (const file of ['cpuset.cpus', 'cpuset.mems']) chmodSync(join(above, file), 0o444);
    const through = ['setpriv', '--inh-caps=-dac_override', '--bounding-set=-dac_override'];
    expect(await startNode('inherit-cpusets', [below, '3'], { through }).ended).toMatchObject({ code: 0, stderr: '' });
    for (const file of ['cpuset.cpus', 'cpuset.mems']) expect(list(below, file)).toBe(list(above, file));
  });

  it('are given to no more groups than the plan says', async () => {
    await carryOut(planOf({ prepare: [make(below), inherit(below, 2)] }));
    expect([cpuset, above, below].map((folder) => list(folder, 'cpuset.cpus'))).toEqual(['', '', '']);
  });
});
