import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import { mayUseSystemFolder } from '../../native/runtime-dir.js';
import { attempt } from '../../native/system-errors.js';
import { capabilityMask } from '../../plan/capability-names.js';
import { heldCapabilities } from '../../security/capabilities.js';
import { DEFAULT_ROOT } from '../boot/early-flags.js';

/** With which rights the runtime makes containers. */
export interface Rights {
  /** An ordinary user's: a shim that is root of the container's user namespace does what takes root's. */
  readonly isUser: boolean;
  /** Root of a user namespace, as below rootless podman, or an ordinary user: nobody there makes devices, or rules for them. */
  readonly isConfined: boolean;
  /** The kernel refuses any change of groups, to this process and in every user namespace that it makes (user_namespaces(7)). */
  readonly deniesSetgroups: boolean;
  /** A group that may not be made, and that config.json does not name, is left out with its hierarchy. */
  readonly skipsGroups: boolean;
}

/** The rights of whoever runs this process. A scope of systemd is made by systemd, and by nobody else. Pure. */
export function rightsOf({
  uid,
  uidMap,
  setgroups,
  rootless,
  systemd,
}: {
  readonly uid: number;
  /** /proc/self/uid_map */
  readonly uidMap: string;
  /** /proc/self/setgroups */
  readonly setgroups: string;
  /** What `--rootless` says; `null`: nothing. */
  readonly rootless: boolean | null;
  readonly systemd: boolean;
}): Rights {
  const isUser = uid !== 0;
  const isConfined = isUser || !isWholeMap(uidMap);
  return {
    isUser,
    isConfined,
    deniesSetgroups: setgroups.trim() === 'deny',
    skipsGroups: rootless ?? (isConfined && !systemd),
  };
}

/** Whether a map is that of the initial user namespace, where nobody has written one. Pure. */
function isWholeMap(map: string): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(map);
}

/** The rights of this process. @throws SyscallError where there is no /proc */
export function ownRights(rootless: boolean | null, systemd: boolean): Rights {
  const [uidMap = '', setgroups = ''] = ['uid_map', 'setgroups'].map((name) => {
    return attempt(`read /proc/self/${name}`, () => readFileSync(`/proc/self/${name}`, 'utf8'));
  });
  return rightsOf({ uid: geteuid?.() ?? 0, uidMap, setgroups, rootless, systemd });
}

/**
 * Whether the shim of a process that is root has CAP_MKNOD: a service manager (PrivateDevices=), an engine or who else confines root takes it away.
 *
 * @throws SyscallError
 */
export function mayMakeDevices(pid: number): boolean {
  const status = `/proc/${pid}/status`;
  const held = heldCapabilities(attempt(`read ${status}`, () => readFileSync(status, 'utf8')));
  return (held & capabilityMask('MKNOD')) !== 0n;
}

/**
 * Where the states are, unless `--root` says so: an ordinary user's below $XDG_RUNTIME_DIR, as is that of root in a user namespace, who may not write to
 * the machine's /run.
 */
export function defaultRoot(env: Readonly<Record<string, string | undefined>>): string {
  const own = env.XDG_RUNTIME_DIR;
  return own && !mayUseSystemFolder(DEFAULT_ROOT) ? join(own, 'nacelle-oci') : DEFAULT_ROOT;
}
