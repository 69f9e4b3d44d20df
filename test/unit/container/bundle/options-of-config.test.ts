import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { optionsOfConfig } from '../../../../lib/container/bundle/options-of-config.js';
import { parseAnew } from '../../../../lib/container/options/container-options.js';
import type { ContainerOptions } from '../../../../lib/container/options/container-types.js';
import { isNacelleError } from '../../../../lib/errors.js';
import { checkedJson } from '../../../../lib/oci-config/checked-json.js';
import { configSchema } from '../../../../lib/oci-config/config-schema.js';
import { specText } from '../../../../lib/runtime-cli/runtime-texts.js';
import { rounds } from '../../../fixtures/rounds.js';

type Json = Record<string, unknown>;
const base = {
  ociVersion: '1.3.0',
  root: { path: 'rootfs' },
  process: { user: { uid: 0, gid: 0 }, cwd: '/', args: ['true'] },
  linux: { namespaces: ['mount', 'pid', 'network', 'ipc', 'uts', 'cgroup'].map((type) => ({ type })) },
};
/** A device of every container. */
const NULL = { type: 'c', path: '/dev/null', major: 1, minor: 3 };

function read(json: unknown): ContainerOptions {
  const findDevice = () => ({ path: '/dev/fuse', mode: 0o666 });
  return optionsOfConfig(configSchema.parse(json), { bundle: '/bundle', namespaces: new Map(), findDevice, seccomp: null });
}
const withProcess = (process: Json): ContainerOptions => read({ ...base, process: { ...base.process, ...process } });
const withLinux = (linux: Json): ContainerOptions => read({ ...base, linux: { ...base.linux, ...linux } });
const withMount = (mount: Json): ContainerOptions => read({ ...base, mounts: [mount] });
const withResources = (resources: Json): ContainerOptions => withLinux({ resources });

describe('config.json as options', () => {
  it('takes what the spec command writes, whose mounts every container has', () => {
    const options = read(JSON.parse(specText()));
    expect(options.mounts).toBeUndefined();
    expect(options.rootfs).toBe('/bundle/rootfs');
    expect(options.env).toMatchObject({ HOSTNAME: undefined });
    expect(options.capDrop).toEqual(['ALL']);
  });

  it.each<[string, () => unknown, string]>([
    ['hooks', () => read({ ...base, hooks: { poststop: [{ path: '/bin/x' }] } }), 'hooks.poststop of config.json'],
    ['an ambient set that counts', () => withProcess({ capabilities: { inheritable: ['CAP_KILL'] } }), 'process.capabilities.inheritable'],
    [
      'less for root than its bounding set',
      () => withProcess({ capabilities: { bounding: ['CAP_KILL'] } }),
      'process.capabilities.permitted',
    ],
    ['an AppArmor profile', () => withProcess({ apparmorProfile: 'x' }), 'process.apparmorProfile'],
    ['an I/O priority', () => withProcess({ ioPriority: { class: 'IOPRIO_CLASS_IDLE' } }), 'process.ioPriority'],
    [
      'flags of a scheduler',
      () => withProcess({ scheduler: { policy: 'SCHED_RR', priority: 1, flags: ['SCHED_FLAG_RECLAIM'] } }),
      'process.scheduler.flags',
    ],
    ['a policy without what it needs', () => withProcess({ scheduler: { policy: 'SCHED_FIFO' } }), 'process.scheduler.priority'],
    ['an environment without =', () => withProcess({ env: ['A'] }), 'process.env[0]'],
    [
      'an option of a bind that is two in one',
      () => read({ ...base, mounts: [{ type: 'bind', source: '/', destination: '/host', options: ['rbind', 'ro,nosuid'] }] }),
      'mounts[0].options',
    ],
    ['no mount namespace', () => withLinux({ namespaces: [{ type: 'pid' }] }), 'linux.namespaces'],
    ['an absolute group', () => withLinux({ cgroupsPath: '/x' }), 'linux.cgroupsPath'],
    ['a scope of systemd', () => withLinux({ cgroupsPath: 'a.slice:b:c' }), 'linux.cgroupsPath'],
    ['shared mounts', () => withLinux({ rootfsPropagation: 'shared' }), 'linux.rootfsPropagation'],
    ['clocks without a namespace for them', () => withLinux({ timeOffsets: { monotonic: { secs: 1 } } }), 'linux.timeOffsets'],
    [
      'clocks of a namespace that is joined',
      () => withLinux({ namespaces: [{ type: 'mount' }, { type: 'time', path: '/x' }], timeOffsets: { boottime: { secs: 1 } } }),
      'linux.timeOffsets',
    ],
    ['a personality', () => withLinux({ personality: { domain: 'LINUX32' } }), 'linux.personality'],
    ['network devices', () => withLinux({ netDevices: { eth0: {} } }), 'linux.netDevices'],
    ['a map without its namespace', () => withLinux({ uidMappings: [{ containerID: 0, hostID: 1, size: 1 }] }), 'linux.uidMappings'],
    ['a named pipe', () => withLinux({ devices: [{ type: 'p', path: '/dev/x' }] }), 'linux.devices[0].type'],
    [
      'a device of another mode',
      () => withLinux({ devices: [{ type: 'c', path: '/dev/x', major: 10, minor: 229, fileMode: 0o600 }] }),
      'linux.devices[0].fileMode',
    ],
    [
      'a device of a user',
      () => withLinux({ devices: [{ type: 'c', path: '/dev/x', major: 10, minor: 229, uid: 7 }] }),
      'linux.devices[0].uid',
    ],
    [
      'another mode of a device that every container has',
      () => withLinux({ devices: [{ ...NULL, fileMode: 0o600 }] }),
      'linux.devices[0].fileMode',
    ],
    ['an owner of one', () => withLinux({ devices: [NULL, { ...NULL, uid: 7 }] }), 'linux.devices[1].uid'],
    ['a group of one', () => withLinux({ devices: [{ ...NULL, gid: 7 }] }), 'linux.devices[0].gid'],
    ['another file of the unified tree', () => withResources({ unified: { 'cpu.max': '1 2' } }), 'linux.resources.unified["cpu.max"]'],
    ['a file that is no number', () => withResources({ unified: { 'memory.high': 'x' } }), 'linux.resources.unified["memory.high"]'],
    [
      'a weight of one device',
      () => withResources({ blockIO: { weightDevice: [{ major: 8, minor: 0, weight: 100 }] } }),
      'linux.resources.blockIO.weightDevice',
    ],
    ['no killer', () => withResources({ memory: { disableOOMKiller: true } }), 'linux.resources.memory.disableOOMKiller'],
    ['a writable /sys', () => withMount({ destination: '/sys', type: 'sysfs', source: 'sysfs' }), 'mounts[0] of config.json'],
    ['writable groups', () => withMount({ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['rw'] }), 'mounts[0]'],
    ['processes that are hidden', () => withMount({ destination: '/proc', type: 'proc', options: ['hidepid=2'] }), 'mounts[0]'],
    ['a larger /dev', () => withMount({ destination: '/dev', type: 'tmpfs', options: ['size=1g'] }), 'mounts[0]'],
    ['mapped ids', () => withMount({ destination: '/x', type: 'bind', source: '/y', options: ['bind', 'idmap'] }), 'mounts[0].uidMappings'],
    [
      'maps in an option',
      () => withMount({ destination: '/x', type: 'bind', source: '/y', options: ['bind', 'idmap=uids=0-1-10'] }),
      'mounts[0].options',
    ],
    ['another file system', () => withMount({ destination: '/x', type: 'ext4', source: '/dev/sda' }), 'mounts[0].type'],
    ['what no option says of a mount', () => withMount({ destination: '/x', type: 'tmpfs', options: ['sync'] }), 'mounts[0].options'],
    ['a copy of what is below', () => withMount({ destination: '/x', type: 'tmpfs', options: ['tmpcopyup'] }), 'mounts[0].options'],
    [
      'an unbindable mount',
      () => withMount({ destination: '/x', type: 'bind', source: '/y', options: ['bind', 'unbindable'] }),
      'mounts[0].options',
    ],
    ["the host's name", () => read({ ...base, hostname: 'x', linux: { namespaces: [{ type: 'mount' }] } }), 'hostname of config.json'],
  ])('refuses %s by its path', (_, reading, path) => {
    expect(reading).toThrow(path);
    expect(reading).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_(UNSUPPORTED|INVALID_OPTION)$/) }));
  });

  it('has swap without a limit where config.json has none, and takes -1 for that', () => {
    expect(withResources({ memory: { limit: 8192 } })).toMatchObject({ memory: 8192, memorySwap: Number.MAX_SAFE_INTEGER });
    expect(withResources({ memory: { limit: 8192, swap: -1 } })).toMatchObject({ memorySwap: Number.MAX_SAFE_INTEGER });
    expect(withResources({ memory: { limit: 8192, swap: 8192 } })).not.toHaveProperty('memorySwap');
    expect(withResources({ memory: { limit: -1 } })).not.toHaveProperty('memory');
  });

  it('gives a device what the rules allow of it, and keeps rules that differ from those of every container', () => {
    const devices = [{ type: 'c', path: '/dev/fuse', major: 10, minor: 229 }];
    const rules = [
      { allow: false, access: 'rwm' },
      { allow: true, type: 'c', major: 10, access: 'rw' },
      { allow: false, type: 'c', major: 10, minor: 229, access: 'w' },
    ];
    const { devices: given, deviceRules } = withLinux({ devices, resources: { devices: rules } });
    expect(given).toEqual([{ path: '/dev/fuse', access: 'rm' }]);
    expect(deviceRules).toEqual([
      { type: 'c', major: 10, access: 'rw', allow: true },
      { type: 'c', major: 10, minor: 229, access: 'w', allow: false },
    ]);
    expect(withLinux({ devices }).devices).toEqual([{ path: '/dev/fuse', access: 'm' }]);
  });

  it('leaves out a device that every container has, and takes none of another type for it', () => {
    expect(
      withLinux({ devices: [NULL, { ...NULL, path: '/dev//null', type: 'u', fileMode: 0o666, uid: 0, gid: 0 }] }).devices,
    ).toBeUndefined();
    // the machine is asked for a block device, and these tests have /dev/fuse in the place of every device of a machine
    expect(withLinux({ devices: [{ ...NULL, type: 'b' }] }).devices).toMatchObject([{ path: '/dev/fuse', target: '/dev/null' }]);
  });

  it('knows capabilities in any case, and without CAP_, and passes over those that nobody knows', () => {
    const capabilities = { bounding: ['cap_kill', 'CHOWN', 'CAP_KILL', 'CAP_NEW'], permitted: ['CAP_CHOWN', 'kill'] };
    expect(withProcess({ capabilities }).capAdd).toEqual(['CHOWN', 'KILL']);
  });

  it('resolves paths below the bundle, and takes the last of two variables', () => {
    expect(withMount({ destination: 'x', type: 'bind', source: 'y', options: ['rbind', 'ro'] }).mounts).toEqual([
      { type: 'bind', source: '/bundle/y', target: '/x', readOnly: true },
    ]);
    expect(withProcess({ env: ['A=1', 'A=2', 'B=c=d'] }).env).toEqual({ PATH: undefined, HOSTNAME: undefined, A: '2', B: 'c=d' });
  });
});

describe('a config.json of somebody else', () => {
  const whole = {
    ...base,
    mounts: [{ destination: '/x', type: 'bind', source: 'y', options: ['rbind', 'ro'] }],
    process: { ...base.process, env: ['A=1'], rlimits: [{ type: 'RLIMIT_CORE', soft: 0, hard: 1 }], scheduler: { policy: 'SCHED_IDLE' } },
    linux: {
      namespaces: [...base.linux.namespaces, { type: 'time' }],
      timeOffsets: { monotonic: { secs: 1 } },
      devices: [{ type: 'c', path: '/dev/fuse', major: 10, minor: 229 }],
      resources: { memory: { limit: 8192 }, unified: { 'misc.max': 'a 1' }, devices: [{ allow: false }] },
      seccomp: { defaultAction: 'SCMP_ACT_ALLOW' },
    },
  };
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(-1, 2 ** 60, '', '/', '..', '\0', 'rw', [], {}, [null], [{}]),
    // what is right in many places
    fc.constantFrom(null, 1, 4096, true, '/x', 'A=2', ['ro'], ['/x'], { a: 'b' }),
  );

  /** The value with another one at a place in it, which a number finds. */
  function changed(value: unknown, place: number, other: unknown): unknown {
    if (typeof value !== 'object' || value === null || place % 5 === 0) return other;
    const entries = Object.entries(value);
    const at = place % Math.max(1, entries.length);
    const parts = entries.map(([key, part], index) => [key, index === at ? changed(part, Math.floor(place / 7), other) : part] as const);
    return Array.isArray(value) ? parts.map(([, part]) => part) : Object.fromEntries(parts);
  }

  it('is read or refused by a typed error, whatever is in it', () => {
    let [accepted, refused] = [0, 0];
    const findDevice = () => ({ path: '/dev/fuse', mode: 0o666 });
    const readAll = (json: unknown): void => {
      const config = checkedJson('config.json', json, configSchema);
      parseAnew(optionsOfConfig(config, { bundle: '/bundle', namespaces: new Map(), findDevice, seccomp: null }), () => true);
    };
    readAll(whole);
    fc.assert(
      fc.property(fc.nat(), odd, (place, other) => {
        const json = changed(whole, place, other);
        try {
          readAll(json);
          // what nothing was changed of tells nothing
          if (!isDeepStrictEqual(json, whole)) accepted++;
        } catch (error) {
          if (!isNacelleError(error)) throw error;
          refused++;
        }
      }),
      { numRuns: rounds(2000, 50_000) },
    );
    expect(accepted).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(1000);
  });
});
