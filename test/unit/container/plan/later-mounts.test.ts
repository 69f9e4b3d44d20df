import { describe, expect, it } from 'vitest';
import { planLaterMounts } from '../../../../lib/container/plan/later-mounts.js';
import { plan } from '../../../fixtures/container-plan.js';

const usage = (controller: string, path: string) => ({ controller, path, at: `/g/${path}` });

describe('mounts are undone after the end is told', () => {
  it('where the groups tell how much memory is left', () => {
    const mostBytes = 16 * 1024 ** 2;
    const pids = usage('pids', 'pids.peak');
    expect(planLaterMounts({ usage: [pids, usage('memory', 'memory.usage_in_bytes')] })).toEqual({
      laterMounts: { reports: [1], mostBytes },
    });
    expect(planLaterMounts({ usage: [usage('memory', 'memory.current'), pids] })).toEqual({ laterMounts: { reports: [0], mostBytes } });
    expect(planLaterMounts({ usage: [pids, usage('memory', 'memory.peak')] })).toEqual({});
  });

  it('by their swap too, which a kernel may not count', () => {
    const reportsOf = (...paths: string[]) => planLaterMounts({ usage: paths.map((path) => usage('memory', path)) }).laterMounts?.reports;
    expect(reportsOf('memory.memsw.usage_in_bytes', 'memory.usage_in_bytes')).toEqual([1, 0]);
    expect(reportsOf('memory.peak', 'memory.current', 'memory.swap.current')).toEqual([1, 2]);
    expect(reportsOf('memory.swap.current')).toBeUndefined();
  });

  it('of a run whose root goes with it', () => {
    const { laterMounts, reports } = plan();
    const looked = laterMounts?.reports.map((report) => reports[report]?.path);
    expect([
      ['memory.usage_in_bytes', 'memory.memsw.usage_in_bytes'],
      ['memory.current', 'memory.swap.current'],
    ]).toContainEqual(looked);
  });

  it('but not where files are read after it, or the container stays', () => {
    expect(plan({ copyOut: ['/out'] }).laterMounts).toBeUndefined();
    expect(plan({}, { park: true }).laterMounts).toBeUndefined();
  });
});
