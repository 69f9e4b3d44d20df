import { codeOf, SyscallError, UnsupportedError } from '../../errors.js';

/** What is not supported where a user namespace of a range of ids can't be had: the ids, owners of files, limits of what its users may make. */
const FEATURES: ReadonlySet<string> = new Set(['userns', "userns: 'auto'", 'limits in /proc/sys/user']);

/** Steps that the kernel may refuse to such a namespace: its maps, entering it, its root, and mounts that belong to it. */
const STEPS: ReadonlySet<string> = new Set([
  ...['write_process', 'setns', 'become_root', 'user', 'link_up'],
  ...[
    'filesystem',
    'proc',
    'overlay',
    'clone_mount',
    'set_mount',
    'idmap',
    'set_propagation',
    'attach',
    'pivot',
    'detach',
    'mask',
    'readonly',
  ],
]);

/** Whether a container could not be made because it was to have a user namespace of its own, as far as its failure tells. Pure. */
export function isUsersRefused(error: unknown): boolean {
  if (error instanceof UnsupportedError) return FEATURES.has(error.feature);
  if (!(error instanceof SyscallError)) return codeOf(error) === 'ERR_NO_IDS';
  const { code, step, syscall } = error;
  // a kernel without them, one that gives them to nobody, and a limit of how many there may be of it or of those inside
  if (step === 'clone' || (step === null && syscall === 'clone3')) return ['EINVAL', 'EPERM', 'ENOSPC', 'EUSERS'].includes(code);
  return step !== null && STEPS.has(step) && ['EINVAL', 'EPERM'].includes(code);
}
