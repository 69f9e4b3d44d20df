import { describe, expect, it } from 'vitest';
import type { BundleMount } from '../../../lib/oci-config/config-schema.js';
import { mountMapsOf } from '../../../lib/runtime-cli/config/mount-maps.js';

const bind: BundleMount = { destination: '/data', type: 'bind', source: '/source', options: [], uidMappings: [], gidMappings: [] };
const range = (containerID: number, hostID: number, size = 100): BundleMount['uidMappings'][number] => ({ containerID, hostID, size });
/** Maps of both kinds, and how they are told. */
const mapped = { uidMappings: [range(1000, 0)], gidMappings: [range(1000, 2000)] };
const given = { uid: [{ inside: 1000, outside: 0, count: 100 }], gid: [{ inside: 1000, outside: 2000, count: 100 }] };
const own = { uid: [{ inside: 0, outside: 300_000, count: 65_536 }], gid: [{ inside: 0, outside: 400_000, count: 65_536 }] };

const mapsOf = (mount: Partial<BundleMount>, container: typeof own | null = own) => mountMapsOf([{ ...bind, ...mount }], container).get(0);

describe('the maps of a mount', () => {
  it.each([
    ['its own, by no option', mapped, { maps: given, recursive: false }],
    ['its own, with idmap', { ...mapped, options: ['rbind', 'idmap'] }, { maps: given, recursive: false }],
    ['its own, with ridmap', { ...mapped, options: ['bind', 'ridmap'] }, { maps: given, recursive: true }],
    ['those of the container, with idmap', { options: ['bind', 'idmap'] }, { maps: own, recursive: false }],
    ['those of the container, with ridmap', { options: ['rbind', 'ridmap'] }, { maps: own, recursive: true }],
    ['those of the later option, idmap', { ...mapped, options: ['ridmap', 'idmap'] }, { maps: given, recursive: false }],
    ['those of the later option, ridmap', { ...mapped, options: ['idmap', 'ridmap'] }, { maps: given, recursive: true }],
    ['its own, of the type none', { ...mapped, type: 'none', options: [] }, { maps: given, recursive: false }],
    ['its own, of a bind by its option alone', { ...mapped, type: undefined, options: ['bind'] }, { maps: given, recursive: false }],
    [
      'its own, of a bind by its option against its type',
      { ...mapped, type: 'tmpfs', options: ['rbind'] },
      { maps: given, recursive: false },
    ],
    ['none', {}, undefined],
    ['none, of another type', { type: 'proc' }, undefined],
    ['none, of a remount', { options: ['remount', 'ro'] }, undefined],
  ])('are %s', (_, mount, expected) => {
    expect(mapsOf(mount)).toEqual(expected);
  });

  it('are found by its number', () => {
    const found = mountMapsOf([bind, { ...bind, ...mapped }, bind, { ...bind, options: ['ridmap'] }], own);
    expect([...found.entries()]).toEqual([
      [1, { maps: given, recursive: false }],
      [3, { maps: own, recursive: true }],
    ]);
  });

  it.each([
    ['of a remount', { ...mapped, options: ['bind', 'remount'] }, 'uidMappings', /binds alone/],
    ['of a remount, by its option', { options: ['bind', 'remount', 'idmap'] }, 'options', /binds alone/],
    ['of another type', { ...mapped, type: 'tmpfs' }, 'uidMappings', /binds alone/],
    ['of another type, by its option', { type: 'tmpfs', options: ['ridmap'] }, 'options', /binds alone/],
    ['of no type', { ...mapped, type: undefined }, 'uidMappings', /binds alone/],
    ['of groups alone', { gidMappings: mapped.gidMappings }, 'uidMappings', /at least one range/],
    ['of users alone', { uidMappings: mapped.uidMappings }, 'gidMappings', /at least one range/],
    ['of users alone, with idmap', { uidMappings: mapped.uidMappings, options: ['idmap'] }, 'gidMappings', /at least one range/],
    ['that overlap on disk', { ...mapped, uidMappings: [range(0, 0), range(50, 200)] }, 'uidMappings', /overlap inside, at 50/],
    ['that overlap as they are shown', { ...mapped, gidMappings: [range(0, 0), range(200, 50)] }, 'gidMappings', /overlap outside, at 50/],
    ['past the last id', { ...mapped, uidMappings: [range(2 ** 32 - 2, 0)] }, 'uidMappings', /past the last id/],
    [
      'of more lines than the kernel takes',
      { ...mapped, gidMappings: Array.from({ length: 341 }, (_, i) => range(i, i, 1)) },
      'gidMappings',
      /340/,
    ],
  ])('are refused %s', (_, mount, field, problem) => {
    const words = expect.stringMatching(new RegExp(`^option mounts\\[0\\]\\.${field}: .*${problem.source}`));
    expect(() => mapsOf(mount)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: words }));
  });

  it('are refused without maps where the container has no user namespace', () => {
    const words = expect.stringMatching(/^option mounts\[1\]\.uidMappings: is missing: .*no user namespace/);
    expect(() => mountMapsOf([bind, { ...bind, options: ['idmap'] }], null)).toThrow(expect.objectContaining({ message: words }));
    expect(mapsOf(mapped, null)?.maps).toEqual(given);
  });
});
