import { join } from 'node:path/posix';
import { invalidOption, UnsupportedError } from '../../errors.js';
import type { GroupLayout } from '../../host/cgroup-base.js';
import type { ScopeUnit, SystemdOwner } from '../../host/systemd-units.js';
import type { GroupFolder } from './bundle-groups.js';
import { type UnitLimits, unitProperties } from './unit-properties.js';

/** A container's place among the units of systemd. */
export interface ScopeName {
  /** With '.slice' at its end. */
  readonly slice: string;
  /** With '.scope' at its end. */
  readonly unit: string;
  /** Whose systemd makes it. */
  readonly of: SystemdOwner;
}

/**
 * The scope that `linux.cgroupsPath` names with `--systemd-cgroup`, as runc reads the field: 'SLICE:PREFIX:NAME', the unit PREFIX-NAME.scope in SLICE. Without a
 * slice it is system.slice, of a user's systemd user.slice, and without a path the name is the id. Unlike runc's, a unit without a prefix has no '-' before its name, and no name is that of a
 * slice. Pure.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for what can name no unit (systemd.unit(5))
 */
export function scopeNameOf(cgroupsPath: string | undefined, id: string, of: SystemdOwner = 'machine'): ScopeName {
  const parts = cgroupsPath ? cgroupsPath.split(':') : ['', 'nacelle', escaped(id)];
  const [slice = '', prefix = '', name = ''] = parts;
  if (parts.length !== 3 || name === '')
    // runc's words
    throw wrong(`expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got ${JSON.stringify(cgroupsPath)} instead`);
  const unit = `${prefix === '' ? name : `${prefix}-${name}`}.scope`;
  if (!isUnitName(unit)) throw wrong(`names no unit: ${JSON.stringify(unit)} is not of the letters, digits and :-_.\\ that systemd takes`);
  const given = slice === '' ? defaultSlices[of] : slice;
  if (given.length > LONGEST) throw wrong(`names no slice of systemd: it has ${given.length} characters`);
  if (given !== '-.slice' && !/^[\w:.\\]+(?:-[\w:.\\]+)*\.slice$/.test(given))
    throw wrong(`names no slice of systemd: ${JSON.stringify(slice)}`);
  for (const name of [given, unit]) {
    if (ESCAPED.test(name)) throw wrong(`names the unit ${JSON.stringify(name)}, whose group systemd gives another name: '_' before it`);
  }
  return { slice: given, unit, of };
}

const defaultSlices = { machine: 'system.slice', user: 'user.slice' } as const;

/** An id as part of a unit's name: '+' is the one character of ids that units don't have (systemd-escape(1)). */
const escaped = (id: string): string => id.replaceAll('+', '\\x2b');

/** What a group of cgroupfs may not be called, since files of the kernel's are or could be: cg_needs_escape() of systemd. */
const ESCAPED = /^[_.]|^(?:cgroup|cpu|cpuacct|cpuset|io|blkio|memory|devices|pids|hugetlb|rdma|misc|dmem|bpf-[a-z-]+)\./;

/** The longest name of a unit, and the characters of one (systemd.unit(5)). */
const LONGEST = 255;
const isUnitName = (name: string): boolean => name.length <= LONGEST && /^[\w:.\\-]+$/.test(name);

const wrong = (problem: string): Error => invalidOption('linux.cgroupsPath', problem);

/**
 * The group of a scope: systemd has that of a-b.slice in that of a.slice (systemd.slice(5)). Pure.
 *
 * @param group that below which systemd has the groups of its units, from the top of the hierarchy
 * @throws UnsupportedError where v1 has controllers: systemd makes groups of some of them alone
 */
export function scopeFolders({ mode, unified }: GroupLayout, { slice, unit, of }: ScopeName, group: string): GroupFolder[] {
  if (mode !== 'v2' || unified === null)
    throw new UnsupportedError(
      '--systemd-cgroup',
      'scopes of systemd are made on pure cgroup v2 alone, and this machine has controllers of v1',
      'Have the engine use its cgroup driver cgroupfs.',
    );
  const { mountPoint, version, controllers } = unified;
  return [{ path: join(mountPoint, group, slicePath(slice), unit), version, controllers, mountPoint, unit, unitOf: of }];
}

/** 'a-b.slice' is 'a.slice/a-b.slice', and '-.slice' the top. Pure. */
export function slicePath(slice: string): string {
  if (slice === '-.slice') return '';
  const parts = slice.slice(0, -'.slice'.length).split('-');
  return join(...parts.map((_, index) => `${parts.slice(0, index + 1).join('-')}.slice`));
}

/**
 * The unit that systemd is asked for. It knows the limits too, for it writes those of its units anew when it reads its files again (`daemon-reload`). Pure.
 *
 * @param pid a process that is in the group until the container's own is there
 */
export function scopeUnit(
  { slice, unit }: Pick<ScopeName, 'slice' | 'unit'>,
  { id, pid, limits }: { id: string; pid: number; limits: UnitLimits },
): ScopeUnit {
  return {
    unit,
    properties: [
      ['Description', { signature: 's', value: `nacelle-oci container ${id}` }],
      ['Slice', { signature: 's', value: slice }],
      ['PIDs', { signature: 'au', value: [pid] }],
      // the container's groups are the runtime's, and what the container makes below is its own
      ['Delegate', { signature: 'b', value: true }],
      // whoever stops the machine stops the engine, which ends its containers
      ['DefaultDependencies', { signature: 'b', value: false }],
      // one whose processes were killed for their memory is forgotten too
      ['CollectMode', { signature: 's', value: 'inactive-or-failed' }],
      // systemd has a limit of its own for every unit, and a container has those that config.json names
      ...(limits.some(({ file }) => file === 'pids.max') ? [] : unitProperties([{ file: 'pids.max', value: 'max' }])),
      ...unitProperties(limits),
    ],
  };
}
