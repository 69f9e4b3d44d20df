import { existsSync, readFileSync, statSync } from 'node:fs';

/** Security modules of the kernel that confine a program from its execve on. */
export interface SecurityModules {
  /** The file below /proc/self/attr that takes the profile, AppArmor's own since Linux 5.8; `null`: AppArmor is not enabled. */
  readonly apparmor: 'apparmor/exec' | 'exec' | null;
  /** SELinux is enabled, and its file system is mounted. */
  readonly selinux: boolean;
}

/** What this kernel has (Documentation/admin-guide/LSM). @throws when a file of /sys can't be read */
export function securityModules(): SecurityModules {
  return {
    apparmor: enabledIn('/sys/module/apparmor/parameters/enabled') ? appArmorFile() : null,
    selinux: existsSync('/sys/fs/selinux/enforce'),
  };
}

function appArmorFile(): 'apparmor/exec' | 'exec' {
  return existsSync('/proc/self/attr/apparmor/exec') ? 'apparmor/exec' : 'exec';
}

/** What can't be looked at is no module that is off. @throws Error */
const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

const enabledIn = (path: string): boolean => isThere(path) && readFileSync(path, 'latin1').startsWith('Y');
