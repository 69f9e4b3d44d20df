import { readdirSync, readFileSync } from 'node:fs';
import { hasCode } from '../errors.js';
import { attempt } from '../native/system-errors.js';
import { type Feature, lacking } from './feature.js';

/** What on this machine can keep an ordinary user from having a user namespace, or rights in one. */
export interface UsernsFacts {
  /** The sysctl kernel.unprivileged_userns_clone of Debian's and others' kernels; `null` where there is none. */
  readonly clone: number | null;
  /** The sysctl kernel.apparmor_restrict_unprivileged_userns, of Ubuntu since 23.10; `null` where there is none. */
  readonly apparmor: number | null;
  /** The sysctls user.max_*_namespaces, by their names. */
  readonly limits: ReadonlyMap<string, number>;
  /** System calls of this process are filtered, as in docker. */
  readonly isFiltered: boolean;
}

const SYSCTLS = '/proc/sys';
const APPARMOR = 'kernel.apparmor_restrict_unprivileged_userns';
const CLONE_SYSCTL = 'kernel.unprivileged_userns_clone';

/**
 * What is at fault when a try failed with this code, and the line that mends it; `null` where nothing of this is. Pure.
 *
 * @param code of the error, as 'EPERM'
 */
export function blame({ clone, apparmor, limits, isFiltered }: UsernsFacts, code: string | undefined): Feature | null {
  if (code === 'ENOSPC') {
    const [name, limit] = [...limits].find(([, limit]) => limit === 0) ?? [
      'user.max_user_namespaces',
      limits.get('user.max_user_namespaces'),
    ];
    const reason = limit === 0 ? `the sysctl ${name} is 0` : `a limit on namespaces is reached (${name} is ${limit ?? 'not known'})`;
    return lacking(reason, `Have root raise it: sysctl -w ${name}=15000.`);
  }
  if (code !== 'EPERM' && code !== 'EACCES' && code !== 'ENOSYS') return null;
  if (clone === 0) return lacking(`the sysctl ${CLONE_SYSCTL} is 0`, `Have root allow it: sysctl -w ${CLONE_SYSCTL}=1.`);
  if (apparmor !== null && apparmor !== 0) {
    const fix = `Have root allow it: sysctl -w ${APPARMOR}=0, or load an AppArmor profile for this program with the rule userns.`;
    return lacking(`AppArmor gives no rights in user namespaces (the sysctl ${APPARMOR} is ${apparmor})`, fix);
  }
  if (!isFiltered) return null;
  const fix = 'Run docker with --security-opt seccomp=unconfined, or with a profile that allows unshare, clone, setns, mount and its like.';
  return lacking('a filter of system calls around this process refuses it, as that of docker does', fix);
}

/** @throws SyscallError */
export function usernsFacts(): UsernsFacts {
  const names = attempt('list the sysctls of user namespaces', () => readdirSync(`${SYSCTLS}/user`)).filter((name) =>
    /^max_.*_namespaces$/.test(name),
  );
  const limits = names.flatMap((name): [string, number][] => {
    const limit = numberIn(`${SYSCTLS}/user/${name}`);
    return limit === null ? [] : [[`user.${name}`, limit]];
  });
  const status = attempt('read /proc/self/status', () => readFileSync('/proc/self/status', 'utf8'));
  return {
    clone: numberIn(`${SYSCTLS}/${CLONE_SYSCTL.replace('.', '/')}`),
    apparmor: numberIn(`${SYSCTLS}/${APPARMOR.replace('.', '/')}`),
    limits: new Map(limits),
    isFiltered: /^Seccomp:\s*2$/m.test(status),
  };
}

function numberIn(path: string): number | null {
  return attempt(`read ${path}`, () => {
    try {
      return Number(readFileSync(path, 'utf8'));
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'EACCES')) return null;
      throw error;
    }
  });
}
