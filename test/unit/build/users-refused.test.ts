import { expect, test } from 'vitest';
import { isUsersRefused } from '../../../lib/build/files/users-refused.js';
import { NacelleError, SyscallError, UnsupportedError } from '../../../lib/errors.js';
import { stepTable } from '../../../lib/plan/steps.js';

const failed = (step: string | null, errnoName: string, syscall = 'clone3'): SyscallError =>
  new SyscallError('x', { errno: 1, errnoName, syscall, step });

test.each([
  new UnsupportedError('userns', '/x lies on fuse'),
  new UnsupportedError("userns: 'auto'", 'no ids in common'),
  new UnsupportedError('limits in /proc/sys/user', "they can't be written to"),
  new NacelleError('x', { code: 'ERR_NO_IDS' }),
  failed(null, 'ENOSPC'),
  failed(null, 'EPERM'),
  failed('clone', 'ENOSPC'),
  failed('write_process', 'EPERM', 'write'),
  failed('overlay', 'EINVAL', 'fsconfig'),
  failed('proc', 'EPERM', 'fsconfig'),
])('is refused its user namespace by %o', (error) => expect(isUsersRefused(error)).toBe(true));

test.each([
  new UnsupportedError('limit memory', 'no controller'),
  new NacelleError('x', { code: 'ERR_CLOSED' }),
  // a disk, or a group, that is full
  failed('write_file', 'ENOSPC', 'write'),
  failed('make_group', 'ENOSPC', 'mkdir'),
  failed('filesystem', 'ENOSPC', 'fsconfig'),
  failed('exec', 'EPERM', 'execve'),
  failed('seccomp', 'EINVAL', 'seccomp'),
  failed(null, 'EAGAIN'),
  failed(null, 'EPERM', 'openat2'),
  new TypeError('x'),
  undefined,
])('is not refused its user namespace by %o', (error) => expect(isUsersRefused(error)).toBe(false));

test('knows steps that there are', () => {
  const refused = stepTable.filter(({ op }) => isUsersRefused(failed(op, 'EPERM')));
  expect(refused).toHaveLength(18);
});
