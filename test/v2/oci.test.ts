import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { resourcesSchema } from '../../lib/oci-config/resources-schema.js';
import { ownCaller } from '../../lib/runtime-cli/caller/caller.js';
import { deleteContainer, killContainer, pauseContainer, resumeContainer } from '../../lib/runtime-cli/change-container.js';
import { statsEvent } from '../../lib/runtime-cli/container-stats.js';
import { madeRecord, statusOf } from '../../lib/runtime-cli/state/container-state.js';
import { updateContainer } from '../../lib/runtime-cli/update-container.js';
import { besideBundle, bundleOf, bundleSays, execIn, saidIn } from '../fixtures/bundle-container.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'], cgroup: 'v2' });

describe('a container of nacelle-oci where all controllers are on the unified tree', () => {
  it('has its limits in one group, stands still, is joined there, and leaves nothing', async () => {
    const bundle = bundleOf('busybox sleep 1000', (config) => {
      config.linux.resources = {
        memory: { limit: 64 << 20 },
        pids: { limit: 40 },
        cpu: { shares: 2048, quota: 50_000, period: 100_000 },
        unified: { 'memory.high': '50331648' },
      };
    });
    let home = '';
    await besideBundle(bundle, async (container) => {
      const record = madeRecord(container);
      home = record.home ?? '';
      expect(record.groups.map(({ version }) => version)).toEqual([2]);
      const file = (name: string): string => readFileSync(join(home, name), 'utf8').trim();
      expect([file('memory.max'), file('memory.high'), file('pids.max'), file('cpu.max')]).toEqual([
        ...[String(64 << 20), '50331648', '40', '50000 100000'],
      ]);
      await execIn(container, ['sh', '-c', 'busybox cat /proc/self/cgroup > /said']);
      // in the cgroup namespace that group is the top
      expect(saidIn(bundle)).toBe('0::/');
      await pauseContainer(container);
      expect([file('cgroup.freeze'), statusOf(container, record)]).toEqual(['1', 'paused']);
      resumeContainer(container);
      expect(statusOf(container, record)).toBe('running');
      await updateContainer(container, resourcesSchema.parse({ memory: { limit: 80 << 20 }, pids: { limit: 41 } }), ownCaller());
      expect([file('memory.max'), file('pids.max')]).toEqual([String(80 << 20), '41']);
      expect(JSON.parse(statsEvent(container)).data.pids.limit).toBe(41);
      await killContainer(container, 9, { all: true });
      await until('it has ended', () => statusOf(container, record) === 'stopped');
      await deleteContainer(container, { force: false, caller: ownCaller() });
      expect(existsSync(home)).toBe(false);
    });
    expect(existsSync(home)).toBe(false);
  });

  it('may use no devices but its own, by a filter of the group', async () => {
    const script = 'busybox mknod /dev/x c 511 1; busybox cat /dev/x; echo > /dev/null && echo null';
    const bundle = bundleOf(script, (config) => {
      const sets = ['bounding', 'effective', 'permitted'].map((name) => [name, ['CAP_MKNOD']]);
      config.process.capabilities = Object.fromEntries(sets);
      config.mounts = [
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['mode=755'] },
        { destination: '/proc', type: 'proc', source: 'proc' },
      ];
    });
    expect(await bundleSays(bundle)).toMatch(/not permitted\nnull$/);
    expect(readdirSync(join(bundle, 'rootfs'))).toContain('said');
  });
});
