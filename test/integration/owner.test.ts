import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { groupLayout, withBases } from '../../lib/host/cgroup-base.js';
import { owner } from '../../lib/host/owner.js';
import { reap } from '../../lib/index.js';
import { ownShim } from '../../lib/native/shim.js';
import { removeGroups } from '../fixtures/groups.js';
import { cgroupMounts } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();

requires({ root: true, kernel: '5.14', unified: true, tools: ['sleep'] }).it(
  'when the shim dies, what is in the groups of a base that was added later dies too',
  async () => {
    const own = groupLayout();
    const shim = ownShim();
    const mountPoint = own.unified?.mountPoint ?? '';
    const none = new Map([...own.bases, [mountPoint, { path: null, reason: 'none was handed over', fix: null }] as const]);
    await owner({ ...own, bases: none }, shim);
    const base = join(cgroupMounts().find(({ version }) => version === 2)?.path ?? '', `nacelle-test-${process.pid}-later`);
    const group = join(base, 'nacelle', shim.owner);
    mkdirSync(group, { recursive: true });
    const sleeper = spawn('sleep', ['1000']);
    try {
      expect(await owner(withBases(own, new Map([[mountPoint, base]])), shim)).toBe(shim.owner);
      writeFileSync(join(group, 'cgroup.procs'), String(sleeper.pid));
      process.kill(shim.pid, 'SIGKILL');
      expect(await once(sleeper, 'exit')).toEqual([null, 'SIGKILL']);
      expect(await reap()).toMatchObject({ failures: [] });
    } finally {
      sleeper.kill('SIGKILL');
      await removeGroups(group, join(base, 'nacelle'), base);
    }
  },
);
