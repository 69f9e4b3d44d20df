import { describe, expect, it } from 'vitest';
import { configSchema } from '../../../lib/oci-config/config-schema.js';
import { refuseUnapplied } from '../../../lib/oci-config/refused.js';
import { requireMapped, userMapsOf } from '../../../lib/runtime-cli/config/bundle-user-maps.js';
import { checkedFile } from '../../../lib/runtime-cli/config/read-config.js';
import { specText } from '../../../lib/runtime-cli/runtime-texts.js';
import { configOf } from '../../../lib/runtime-cli/state/container-state.js';

/** config.json of `spec` with a value at a path. */
function withValue(path: readonly (string | number)[], value: unknown): string {
  const config: unknown = JSON.parse(specText());
  let at = config as Record<string | number, unknown>;
  for (const part of path.slice(0, -1)) at = at[part] as Record<string | number, unknown>;
  at[path.at(-1) ?? ''] = value;
  return JSON.stringify(config);
}

const read = (text: string) => checkedFile('/b/config.json', text, configSchema);

describe('config.json', () => {
  it('is what `spec` writes', () => {
    const config = read(specText());
    expect(config.process?.args).toEqual(['sh']);
    expect(config.mounts).toHaveLength(7);
    expect(() => refuseUnapplied(config)).not.toThrow();
  });

  it('may have fields that the spec has not, and null for what is not there', () => {
    expect(read(withValue(['future'], { a: 1 }))).not.toHaveProperty('future');
    expect(read(withValue(['linux', 'newThing'], 1)).linux).not.toHaveProperty('newThing');
    expect(read(withValue(['linux', 'maskedPaths'], null)).linux?.maskedPaths).toEqual([]);
    expect(read(withValue(['hooks'], null)).hooks).toBeUndefined();
  });

  it('may have a limit of 2^64 - 1, which is none', () => {
    const text = withValue(['process', 'rlimits'], [{ type: 'RLIMIT_CORE', soft: 0, hard: 0 }]).replace(
      '"hard":0',
      '"hard":18446744073709551615',
    );
    expect(read(text).process?.rlimits).toEqual([{ type: 'RLIMIT_CORE', soft: 0, hard: Number.POSITIVE_INFINITY }]);
  });

  it.each([
    [['process', 'args'], [], 'process.args must be at least 1 items long'],
    [['process', 'cwd'], 'tmp', 'process.cwd must be an absolute path'],
    [['process', 'user', 'uid'], -1, 'process.user.uid must be at least 0'],
    [['process', 'rlimits', 0, 'soft'], 2000, 'process.rlimits[0].soft must be at most hard'],
    [['process', 'execCPUAffinity'], { final: '3-1' }, "process.execCPUAffinity.final must be a list of processors such as '0-3,7'"],
    [['linux', 'memoryPolicy'], { mode: 'MPOL_BIND', nodes: '3-1' }, 'linux.memoryPolicy.nodes is an invalid memory policy node list'],
    [['process', 'env'], ['A\0B'], 'process.env[0] must have no NUL'],
    [['ociVersion'], '2.0.0', 'ociVersion must be a version 1.x.y'],
    [['root'], undefined, 'root is missing'],
    [['linux', 'namespaces'], [{ type: 'pid' }, { type: 'pid' }], 'linux.namespaces must name each type once'],
    [['linux', 'namespaces'], [{ type: 'net' }], "linux.namespaces[0].type must be one of 'mount', 'pid', 'network'"],
    [['linux', 'resources', 'memory'], { limit: 'much' }, 'linux.resources.memory.limit must be a number'],
    [['linux', 'resources', 'memory'], { limit: 2, swap: 1 }, 'linux.resources.memory.swap must be at least memory.limit'],
    [['linux', 'resources', 'memory'], { limit: -1, swap: 1 }, 'linux.resources.memory.swap needs memory.limit'],
    [['linux', 'resources', 'blockIO'], { weight: 9 }, 'linux.resources.blockIO.weight must be at least 10'],
    [['hooks'], { poststop: [{ path: 'x' }] }, 'hooks.poststop[0].path must be an absolute path'],
  ] as const)('is refused by the path of the field: %j', (path, value, message) => {
    expect(() => read(withValue(path, value))).toThrow(message);
  });

  it.each([
    [['process', 'user'], undefined],
    [['process', 'user'], null],
    [['process', 'user'], { umask: null }],
    [['process', 'user', 'gid'], undefined],
  ])('has the ids of root for those that are missing: %j %j', (path, value) => {
    expect(read(withValue(path, value)).process?.user).toMatchObject({ uid: 0, gid: 0, additionalGids: [] });
  });

  it('is refused in a record that was damaged, by the path of the field', () => {
    const config: unknown = JSON.parse(withValue(['process', 'cwd'], 'rel'));
    expect(() => configOf({ id: 'one', config })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining('process.cwd must be an absolute path') }),
    );
  });

  it('is refused when it is no JSON', () => {
    expect(() => read('{')).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining('/b/config.json, line 1 ends too early') }),
    );
  });

  it.each([
    [['linux', 'namespaces'], [{ type: 'uts' }, { type: 'user' }], 'linux.namespaces of config.json'],
    [['linux', 'namespaces'], [{ type: 'mount' }], 'hostname of config.json'],
    [['linux', 'resources', 'memory'], { kernel: 1 }, 'linux.resources.memory.kernel of config.json'],
    [['linux', 'intelRdt'], { closID: 'a' }, 'linux.intelRdt of config.json'],
    [['mounts', 0, 'options'], ['tmpcopyup'], 'mounts[0].options of config.json'],
    [
      ['mounts', 0, 'options'],
      ['bind', 'idmap=uids=0-1-10'],
      'mounts[0].options of config.json is not supported here: maps are not read of idmap=',
    ],
    [
      ['mounts', 0, 'options'],
      ['rbind', 'ridmap='],
      'mounts[0].options of config.json is not supported here: maps are not read of ridmap=',
    ],
    [
      ['mounts', 1, 'options'],
      ['remount', 'ro', 'size=1k', 'sync'],
      'mounts[1].options of config.json is not supported here: a mount that is',
    ],
    [['mounts', 6, 'options'], ['ro', 'nsdelegate'], 'mounts[6].options of config.json is not supported here'],
    [['linux', 'timeOffsets'], { monotonic: { secs: 1 } }, 'linux.timeOffsets of config.json'],
    [['linux', 'personality'], { domain: 'LINUX', flags: ['NO_RANDOM'] }, 'linux.personality.flags of config.json'],
  ] as const)('is refused for what can not be kept: %j', (path, value, message) => {
    expect(() => refuseUnapplied(read(withValue(path, value)))).toThrow(message);
  });

  it('is refused for options of a proc that is made from outside', () => {
    const config: ReturnType<typeof JSON.parse> = JSON.parse(specText());
    config.mounts[0].options = ['hidepid=2'];
    expect(() => refuseUnapplied(read(JSON.stringify(config)))).not.toThrow();
    config.linux.namespaces[0] = { type: 'pid', path: '/proc/1/ns/pid' };
    expect(() => refuseUnapplied(read(JSON.stringify(config)))).toThrow('mounts[0].options of config.json');
  });

  it('has devices only where a file system for them is', () => {
    const devices = [{ type: 'c', path: '/dev/x', major: 1, minor: 3 }];
    const config = read(withValue(['linux', 'devices'], devices));
    expect(() => refuseUnapplied(config)).not.toThrow();
    const mounts = config.mounts.filter(({ destination }) => destination !== '/dev');
    expect(() => refuseUnapplied({ ...config, mounts })).toThrow('linux.devices of config.json');
  });
});

describe('the maps of a user namespace', () => {
  const maps = (linux: object) => userMapsOf(read(withValue(['linux'], linux)).linux);
  const namespaces = [{ type: 'mount' }, { type: 'user' }];
  const all = [{ containerID: 0, hostID: 100_000, size: 65_536 }];

  it('are its ids by those of the host', () => {
    expect(maps({ namespaces: [{ type: 'mount' }] })).toBeNull();
    const found = maps({ namespaces, uidMappings: all, gidMappings: all });
    expect(found).toEqual({ uid: [{ inside: 0, outside: 100_000, count: 65_536 }], gid: [{ inside: 0, outside: 100_000, count: 65_536 }] });
    const user = (ids: object) => ({ user: { uid: 0, gid: 0, umask: undefined, additionalGids: [], ...ids } });
    if (found === null) throw new Error('there are no maps');
    expect(() => requireMapped(found, user({ uid: 65_535, additionalGids: [5] }))).not.toThrow();
    expect(() => requireMapped(found, user({ uid: 65_536 }))).toThrow('process.user.uid: has 65536, which linux.uidMappings does not map');
    expect(() => requireMapped(found, user({ additionalGids: [5, 70_000] }))).toThrow(
      /process\.user\.additionalGids: has 70000, .*gidMappings/,
    );
  });

  it.each([
    [{ namespaces: [{ type: 'mount' }], gidMappings: all }, /linux\.gidMappings.*needs a namespace of the type user/],
    [{ namespaces }, /linux\.uidMappings.*must have at least one range/],
    [{ namespaces, uidMappings: all }, /linux\.gidMappings.*must have at least one range/],
    [{ namespaces, uidMappings: all, gidMappings: [{ containerID: 1, hostID: 5, size: 1 }] }, /linux\.gidMappings.*must map 0/],
    [{ namespaces, uidMappings: [...all, { containerID: 5, hostID: 5, size: 1 }], gidMappings: all }, /linux\.uidMappings.*overlap inside/],
  ])('are refused: %j', (linux, message) => {
    expect(() => maps(linux)).toThrow(message);
  });
});
