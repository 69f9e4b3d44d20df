import { expect } from 'vitest';
import { Container } from '../../../lib/index.js';
import { groupOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'], cgroup: 'cpu' });
const v1 = groupOf('cpu')?.version === 1;

describe('shares', () => {
  it('of 1 : 3 give two busy containers on one CPU its time 1 : 3', async () => {
    // v2's weights, 100 and 303: see docs/cgroups.md
    const shares = v1 ? [1024, 3072] : [1024, 4096];
    const busy = { ...(await busybox()), command: ['sh', '-c', 'while :; do :; done'], cpusetCpus: '0' };
    const made = await Promise.all(shares.map((cpuShares) => Container.create({ ...busy, cpuShares })));
    const used = () => Promise.all(made.map(async (container) => (await container.stats()).cpuTimeMs));
    try {
      for (const container of made) await container.start();
      const before = await used();
      let times = [0, 0];
      await until('both have used enough', async () => {
        times = (await used()).map((time, i) => time - (before[i] ?? 0));
        return times.every((time) => time > 1000);
      });
      const ratio = (times[1] ?? 0) / (times[0] ?? 1);
      // two readings are not of one moment, and a slice may be a tenth of what was used; runc's older weights would give 4
      expect(ratio).toBeGreaterThan(2.4);
      expect(ratio).toBeLessThan(3.6);
    } finally {
      for (const container of made) await container.remove({ force: true });
    }
  });
});
