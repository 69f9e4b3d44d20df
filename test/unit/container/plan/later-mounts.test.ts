import { describe, expect, it } from 'vitest';
import { planLaterMounts } from '../../../../lib/container/plan/later-mounts.js';
import { plan } from '../../../fixtures/container-plan.js';

const usage = (controller: string, path: string) => ({ controller, path, at: `/g/${path}` });

describe('mounts are undone after the end is told', () => {
  it('where the groups tell how much memory is left', () => {
    const mostBytes = 16 * 1024 ** 2;
    const pids = usage('pids', 'pids.peak');
    expect(planLaterMounts({ usage: [pids, usage('memory', 'memory.usage_in_bytes')] })).toEqual({ laterMounts: { report: 1, mostBytes } });
    expect(planLaterMounts({ usage: [usage('memory', 'memory.current'), pids] })).toEqual({ laterMounts: { report: 0, mostBytes } });
    expect(planLaterMounts({ usage: [pids, usage('memory', 'memory.peak')] })).toEqual({});
  });

  it('of a run whose root goes with it', () => {
    const { laterMounts, reports } = plan();
    expect(reports[laterMounts?.report ?? -1]?.path).toMatch(/^memory\.(usage_in_bytes|current)$/);
  });

  it('but not where files are read after it, or the container stays', () => {
    expect(plan({ copyOut: ['/out'] }).laterMounts).toBeUndefined();
    expect(plan({}, { park: true }).laterMounts).toBeUndefined();
  });
});
