import { attack } from '../attack.js';
import { by } from '../inside.js';

export const syscalls = [
  attack({
    attack: 'unshares a user namespace, to be root of it',
    source: 'CVE-2022-0492, CVE-2022-0185',
    protection: 'the filter',
    tries: by('probe', 'unshare-user'),
    on: [{}, 'EPERM'],
    off: [{ seccomp: 'unconfined' }, 'OK'],
  }),
];
