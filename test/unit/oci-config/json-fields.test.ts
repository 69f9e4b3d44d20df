import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configSchema, processSchema } from '../../../lib/oci-config/config-schema.js';
import { resourcesSchema } from '../../../lib/oci-config/resources-schema.js';
import { WRONG } from '../../../lib/options/option-fields.js';
import { specText } from '../../../lib/runtime-cli/runtime-texts.js';
import { changedOften, changedOnce, expectSame, REMOVED } from '../../fixtures/same-as-zod.js';

const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
const hook = { path: '/bin/hook', args: ['hook', 'a'], env: ['A=1'], timeout: 5 };
const resources = {
  devices: [
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', major: 1, minor: -1, access: 'rw' },
  ],
  memory: {
    limit: 1024,
    reservation: 512,
    swap: 2048,
    kernel: -1,
    kernelTCP: 0,
    swappiness: 10,
    disableOOMKiller: true,
    useHierarchy: false,
  },
  cpu: { shares: 2, quota: -1, burst: 0, period: 1000, realtimeRuntime: 0, realtimePeriod: 0, cpus: '0-1', mems: '0', idle: 1 },
  pids: { limit: 10 },
  blockIO: {
    weight: 10,
    weightDevice: [{ major: 8, minor: 0, weight: 100, leafWeight: 1 }],
    throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 100 }],
  },
  hugepageLimits: [{ pageSize: '2MB', limit: 1 }],
  network: { classID: 1, priorities: [{ name: 'eth0', priority: 1 }] },
  rdma: { mlx: { hcaHandles: 1 } },
  unified: { 'memory.high': '1' },
};

/** config.json with every field of the spec. */
function wholeConfig(): Record<string, unknown> {
  const config: Record<string, Record<string, unknown>> = JSON.parse(specText());
  Object.assign(config.process ?? {}, {
    ...{ consoleSize: { height: 1, width: 2 }, oomScoreAdj: 5, apparmorProfile: 'a', selinuxLabel: 'b' },
    user: { uid: 1, gid: null, umask: 18, additionalGids: [1, 2] },
    scheduler: { policy: 'SCHED_DEADLINE', nice: 1, flags: ['SCHED_FLAG_RECLAIM'], runtime: 1, deadline: 2, period: 3 },
    ...{ ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 4 }, execCPUAffinity: { initial: '0-3,7', final: '' } },
    rlimits: [{ type: 'RLIMIT_CORE', soft: 0, hard: 2 ** 64 }],
  });
  Object.assign(config.linux ?? {}, {
    ...{ uidMappings: maps, gidMappings: maps, timeOffsets: { boottime: { secs: -1, nanosecs: 2 } }, cgroupsPath: '/a', resources },
    devices: [{ type: 'c', path: '/dev/x', major: 1, minor: 3, fileMode: 0o20_666, uid: 0, gid: 0 }],
    ...{ rootfsPropagation: 'rslave', seccomp: { defaultAction: 'SCMP_ACT_ALLOW', more: [1n] }, sysctl: { 'kernel.domainname': 'x' } },
    ...{ mountLabel: 'm', intelRdt: { closID: 'a' }, personality: { domain: 'LINUX', flags: [] } },
    ...{
      memoryPolicy: { mode: 'MPOL_BIND', nodes: '0', flags: ['MPOL_F_STATIC_NODES'] },
      netDevices: { eth1: { name: 'eth0' }, eth2: { name: '' } },
    },
  });
  const hooks = { prestart: [hook], createRuntime: [], createContainer: [hook], startContainer: null, poststop: [{ path: '/a' }] };
  const mounts = [...(Array.isArray(config.mounts) ? config.mounts : []), { destination: 'd', uidMappings: maps }];
  return { ...config, mounts, hooks, domainname: 'd', annotations: { a: 'b' }, passedOver: 1 };
}

const odd = fc.oneof(
  fc.constantFrom<unknown>(REMOVED, null, true, '', '/', '/a', 'x', 'a\0b', 'rw', '3-1', 'pid', 'MPOL_DEFAULT', 'RLIMIT_NOFILE', '2MB'),
  fc.constantFrom<unknown>(0, 1, -1, 7, 10, 1.5, 70_000, 2 ** 31, 2 ** 32 - 1, 2 ** 53, 2 ** 64, Number.NaN, Number.POSITIVE_INFINITY, 5n),
  fc.constantFrom<unknown>([], {}, [{}], [null], ['a'], [1], { a: 1 }, { a: 'b' }, { type: 'pid' }, [{ type: 'pid' }, { type: 'pid' }]),
);

describe('a field reads what zod does', () => {
  const config = wholeConfig();

  it('of config.json with every field, and of what the shorter schemas are for', () => {
    expect(configSchema.read(config)).not.toBe(WRONG);
    expectSame(configSchema, config);
    expectSame(configSchema, JSON.parse(specText()));
    expectSame(processSchema, config.process);
    expectSame(resourcesSchema, resources);
    expectSame(resourcesSchema, {});
  });

  it('of one with anything else in any place', () => {
    const schema = configSchema.schema();
    for (const changed of changedOnce(config)) expectSame(configSchema, changed, schema);
    fc.assert(
      fc.property(changedOften(config, odd), (changed) => expectSame(configSchema, changed, schema)),
      { numRuns: 1000 },
    );
  });
});
