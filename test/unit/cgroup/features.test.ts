import { describe, expect, it } from 'vitest';
import { type CgroupFacts, controllerFeatures } from '../../../lib/host/cgroup-features.js';
import { lacking, works } from '../../../lib/host/feature.js';
import { dockerV1, groupLayoutOf, hybrid, systemd, v1 } from './machines.js';

const kernel = `#subsys_name	hierarchy	num_cgroups	enabled
cpuset	3	1	1
cpu	1	1	1
blkio	7	1	1
memory	4	160	1
net_cls	0	1	1
hugetlb	0	1	1
pids	8	1	0
`;
const of = (facts: Partial<CgroupFacts> & Pick<CgroupFacts, 'layout'>) =>
  controllerFeatures({ kernel, top: [], deviceFilter: works, ...facts });

describe('the report on controllers', () => {
  it('names each with the version of its hierarchy', () => {
    const report = of({ layout: groupLayoutOf(hybrid) });
    expect(report.memory).toEqual({ ...works, version: 1 });
    expect(report.hugetlb).toEqual({ ...works, version: 2 });
    expect(report.devices).toEqual({ ...works, version: 1 });
  });

  it('knows what the unified tree does without a controller of that name', () => {
    const refused = lacking('no BPF', 'Be root.');
    const report = of({ layout: groupLayoutOf(systemd), deviceFilter: refused });
    expect(report.freezer).toEqual({ ...works, version: 2 });
    expect(report.cpuacct).toEqual({ ...works, version: 2 });
    expect(report.devices).toEqual({ ...refused, version: 2 });
    expect(of({ layout: groupLayoutOf(v1) }).perf_event).toMatchObject({ available: false, version: null });
  });

  it('says why no group can be made, rather than what is not handed on there', () => {
    const bases = { '/sys/fs/cgroup': { path: null, reason: 'it is read-only', fix: null } };
    const report = of({ layout: groupLayoutOf({ ...systemd, controllers: {} }, { bases }), top: ['memory'] });
    expect(report.memory).toMatchObject({ available: false, reason: 'it is read-only' });
  });

  it('counts io and blkio as one', () => {
    const blkio = {
      ...hybrid,
      mountinfo: hybrid.mountinfo.replaceAll('cpuset', 'blkio'),
      membership: hybrid.membership.replace('cpuset', 'blkio'),
    };
    expect(of({ layout: groupLayoutOf(blkio) }).io).toEqual({ ...works, version: 1 });
  });

  it.each([
    ['switched off', 'pids', { ...systemd, controllers: {} }, [], /switched off/, /cgroup_disable=pids/],
    ['not handed on', 'memory', { ...systemd, controllers: {} }, ['memory'], /do not hand it on/, /\+memory.*Delegate/],
    ['mounted nowhere', 'hugetlb', v1, [], /no hierarchy that is mounted/, /mount -t cgroup -o hugetlb/],
    ['mounted where it is not seen', 'cpuset', v1, [], /not mounted where/, /mount -t cgroup -o cpuset/],
    ['of v1 alone', 'net_cls', systemd, [], /v1 alone/, /net_cls/],
    ['unknown to the kernel', 'rdma', v1, [], /built without it/, null],
    ['read-only', 'memory', dockerV1, [], /read-only/, /--privileged/],
  ] as const)('says why one is missing: %s', (_, name, machine, top, reason, fix) => {
    const mountPoint = '/sys/fs/cgroup/memory';
    const bases =
      machine === dockerV1 ? { [mountPoint]: { path: null, reason: `${mountPoint} is mounted read-only`, fix: 'Use --privileged.' } } : {};
    const feature = of({ layout: groupLayoutOf(machine, { bases }), top })[name];
    expect(feature).toMatchObject({ available: false, reason: expect.stringMatching(reason) });
    if (fix) expect(feature?.fix).toMatch(fix);
  });

  it('says what stands in the way of one on the unified tree', () => {
    const withheld = { controllers: ['memory'], reason: 'other processes are there', fix: 'Use Delegate=yes.' };
    const { memory } = of({ layout: groupLayoutOf({ ...systemd, controllers: {} }, { withheld }), top: ['memory'] });
    expect(memory).toEqual({ available: false, version: null, reason: withheld.reason, fix: withheld.fix });
  });
});
