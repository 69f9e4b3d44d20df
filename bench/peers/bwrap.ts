import { statSync } from 'node:fs';
import { geteuid } from 'node:process';
import { defaultCapabilities, namesOf } from '../../lib/security/capabilities.js';
import { defaultMaskedPaths } from '../../lib/security/paths.js';
import { findTool } from '../../test/fixtures/tools.js';
import { NotHere } from '../case.js';
import { type Subject, subject } from '../measure.js';
import { runSpawned } from './spawn.js';

/**
 * Arguments for the isolation that is nearest to ours: six namespaces, the program as process 1, fresh /proc, /dev, devpts, shm
 * and mqueue, the same masked paths, the same capabilities, a session of its own. Left to bwrap's advantage is what it can't do:
 * no groups and no limits, no overlay (the rootfs is bound), no sysfs, no system call filter.
 */
export function bwrapArguments(rootfs: string): string[] {
  return [
    // for an ordinary user, root inside is this user
    ...(geteuid?.() === 0 ? [] : ['--unshare-user', '--uid', '0', '--gid', '0']),
    ...['--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup', '--as-pid-1'],
    ...['--die-with-parent', '--new-session', '--hostname', 'bench', '--clearenv', '--setenv', 'PATH', '/usr/bin:/bin'],
    ...['--bind', rootfs, '/', '--proc', '/proc', '--dev', '/dev'],
    ...['--perms', '1777', '--tmpfs', '/dev/shm', '--mqueue', '/dev/mqueue'],
    ...defaultMaskedPaths.filter((path) => path.startsWith('/proc/')).flatMap(mask),
    ...['--cap-drop', 'ALL', ...namesOf(defaultCapabilities).flatMap((name) => ['--cap-add', `CAP_${name}`])],
    ...['--', '/bin/true'],
  ];
}

function mask(path: string): string[] {
  const status = statSync(path, { throwIfNoEntry: false });
  if (!status) return [];
  return status.isDirectory() ? ['--tmpfs', path, '--remount-ro', path] : ['--ro-bind', '/dev/null', path];
}

export function bwrap(rootfs: string): Subject {
  const program = findTool('bwrap');
  if (!program) throw new NotHere('bwrap is not installed (Debian: bubblewrap)');
  const args = bwrapArguments(rootfs);
  return subject('bwrap', () => runSpawned(program, args));
}
