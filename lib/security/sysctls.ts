import { invalidOption } from '../errors.js';

/** The namespaces that have sysctls of their own, which a container may set when the namespace is new. */
export type SysctlNamespace = 'ipc' | 'net' | 'user';

/** For the step `sysctl`: a path below /proc/sys. */
export interface Sysctl {
  readonly path: string;
  readonly value: string;
}

/** ipc_namespaces(7): System V message queues, semaphores and shared memory. */
const ipcNames = new Set(
  ['msgmax', 'msgmnb', 'msgmni', 'sem', 'shmall', 'shmmax', 'shmmni', 'shm_rmid_forced'].map((name) => `kernel/${name}`),
);

/** Sysctls of the UTS namespace, which are options of their own. */
const options: Readonly<Record<string, string>> = { 'kernel/hostname': 'hostname', 'kernel/domainname': 'domainname' };

/**
 * Checks that each sysctl is of a namespace that the container has for itself. Any other is the host's, whoever
 * sets it; there is no list of exceptions.
 *
 * Names are as in sysctl(8): 'net.ipv4.ip_forward', or with slashes where a part has dots of its own,
 * 'net/ipv4/conf/eth0.100/rp_filter'.
 *
 * @param isNew Whether the container's namespace of this type is new, neither the host's nor a joined one.
 * @throws NacelleError ERR_INVALID_OPTION, with the reason.
 */
export function resolveSysctls(sysctls: Readonly<Record<string, string>>, isNew: (type: SysctlNamespace) => boolean): Sysctl[] {
  return Object.entries(sysctls).map(([name, value]) => {
    const option = `sysctls[${JSON.stringify(name)}]`;
    const path = pathOf(option, name);
    if (value.includes('\0')) throw invalidOption(option, 'the value has a NUL');
    const type = namespaceOf(option, path);
    if (!isNew(type))
      throw invalidOption(option, `it is of the ${type} namespace, and this container's is not new: the change would reach others`);
    return { path, value };
  });
}

/** The path of a sysctl. As in sysctl(8), the first separator tells which of '.' and '/' separates; the other one stands for itself. */
function pathOf(option: string, name: string): string {
  const separator = /[./]/.exec(name)?.[0];
  const swap: Readonly<Record<string, string>> = { '.': '/', '/': '.' };
  const path = separator === '.' ? name.replace(/[./]/g, (letter) => swap[letter] ?? letter) : name;
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..') || path.includes('\0'))
    throw invalidOption(option, 'this is not the name of a sysctl');
  return path;
}

function namespaceOf(option: string, path: string): SysctlNamespace {
  if (ipcNames.has(path) || path.startsWith('fs/mqueue/')) return 'ipc';
  if (path.startsWith('net/')) return 'net';
  if (path.startsWith('user/')) return 'user';
  const instead = Object.hasOwn(options, path) ? options[path] : undefined;
  if (instead) throw invalidOption(option, `use the option ${instead}`);
  throw invalidOption(option, 'it belongs to the host: a container may set fs.mqueue.*, net.* and the System V IPC limits of kernel.*');
}
