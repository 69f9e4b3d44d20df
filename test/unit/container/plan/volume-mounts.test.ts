import { describe, expect, it } from 'vitest';
import type { Step } from '../../../../lib/plan/steps.js';
import { last, plan } from '../../../fixtures/container-plan.js';

type Attach = Extract<Step, { op: 'attach' }>;

/** Where something is mounted, in that order. */
function attached(options: object, volumes: readonly string[]): Attach[] {
  return last(plan(options, { volumes })).filter((step) => step.op === 'attach');
}

describe('a volume without a name', () => {
  it('comes before all other mounts, where nothing of the caller is mounted above', () => {
    const paths = attached({ volumes: ['/host:/data'] }, ['/var/x']).map(({ path }) => path);
    expect(paths.indexOf('/var/x')).toBe(0);
  });

  it("comes after the caller's mount that it lies in, and before those that lie in it", () => {
    const options = { volumes: ['/host:/data/sub/deep', '/host:/data', '/host:/last'] };
    const paths = attached(options, ['/data/sub', '/var/x']).map(({ path }) => path);
    expect(paths.filter((path) => path.startsWith('/data'))).toEqual(['/data', '/data/sub', '/data/sub/deep']);
    expect(paths.indexOf('/var/x')).toBe(0);
  });

  it('is ground of its own there: no link leads from it into that mount, nor from that mount elsewhere', () => {
    const options = { volumes: ['/host:/data'], copyIn: { '/data/sub/in/file': 'text' } };
    const steps = last(plan(options, { volumes: ['/data/sub'] }));
    const [data, sub] = attached(options, ['/data/sub']).filter(({ path }) => path.startsWith('/data'));
    expect(sub).toMatchObject({ path: '/data/sub', on: [data?.mount] });
    const copy = steps.find((step) => step.op === 'write_file' && step.path === '/data/sub/in/file');
    expect(copy).toMatchObject({ on: [sub?.mount], mounts: expect.arrayContaining([data?.mount, sub?.mount]) });
  });
});
