import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { hasCode } from '../errors.js';
import { attempting, systemError } from '../native/system-errors.js';
import { type NamespaceType, namespaceTypes } from '../plan/namespace-types.js';

/** A namespace that has a process, as lsns(8) lists it. */
export interface NamespaceInfo {
  inode: bigint;
  type: NamespaceType;
  /** How many processes are in the namespace. */
  processes: number;
  /** The lowest pid among them. */
  pid: number;
  /** The command line of that process, or its name where it has none (kernel threads). */
  command: string;
  /** The user of that process: the name, or the number where there is none. */
  user: string;
}

/** What is read of one process. */
export interface ProcessNamespaces {
  readonly pid: number;
  readonly inodes: ReadonlyMap<NamespaceType, bigint>;
}

/** Groups processes by their namespaces: by inode, the way lsns(8) sorts. Pure. */
export function groupByNamespace(
  processes: readonly ProcessNamespaces[],
  only?: NamespaceType,
): { inode: bigint; type: NamespaceType; processes: number; pid: number }[] {
  const found = new Map<string, { inode: bigint; type: NamespaceType; processes: number; pid: number }>();
  for (const { pid, inodes } of processes) {
    for (const [type, inode] of inodes) {
      if (only !== undefined && type !== only) continue;
      const key = `${type}:${inode}`;
      const entry = found.get(key);
      if (entry) {
        entry.processes++;
        entry.pid = Math.min(entry.pid, pid);
      } else {
        found.set(key, { inode, type, processes: 1, pid });
      }
    }
  }
  return [...found.values()].sort((a, b) => (a.inode < b.inode ? -1 : a.inode > b.inode ? 1 : 0));
}

/** 'net:[4026531840]', what a link in /proc/PID/ns says. */
export function parseNamespaceLink(link: string): { type: string; inode: bigint } | null {
  const match = /^([a-z_]+):\[(\d+)\]$/.exec(link);
  return match?.[1] !== undefined && match[2] !== undefined ? { type: match[1], inode: BigInt(match[2]) } : null;
}

/** Names by uid. The first line of a uid counts, as for getpwuid(3). */
export function parsePasswd(text: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [name, , uid] = line.split(':');
    if (name && uid !== undefined && /^\d+$/.test(uid) && !names.has(Number(uid))) names.set(Number(uid), name);
  }
  return names;
}

/** Reads all processes that this user may look at. A process that ends meanwhile is left out. */
export async function listNamespaces(only?: NamespaceType): Promise<NamespaceInfo[]> {
  const pids = (await attempting('list the processes', () => readdir('/proc'))).filter((name) => /^\d+$/.test(name)).map(Number);
  const types = only === undefined ? namespaceTypes : [only];
  const processes = (await Promise.all(pids.map((pid) => namespacesOf(pid, types)))).filter((process) => process.inodes.size > 0);
  const names = parsePasswd((await gone(readFile('/etc/passwd', 'utf8'))) ?? '');
  const described = await Promise.all(
    groupByNamespace(processes, only).map(async (entry) => {
      const about = await describe(entry.pid, names);
      return about ? { ...entry, ...about } : null;
    }),
  );
  return described.filter((entry) => entry !== null);
}

async function namespacesOf(pid: number, types: readonly NamespaceType[]): Promise<ProcessNamespaces> {
  const inodes = new Map<NamespaceType, bigint>();
  await Promise.all(
    types.map(async (type) => {
      const link = parseNamespaceLink((await gone(readlink(`/proc/${pid}/ns/${type}`))) ?? '');
      if (link) inodes.set(type, link.inode);
    }),
  );
  return { pid, inodes };
}

async function describe(pid: number, names: ReadonlyMap<number, string>): Promise<{ command: string; user: string } | null> {
  const [line, name, owner] = await Promise.all([
    gone(readFile(`/proc/${pid}/cmdline`, 'utf8')),
    gone(readFile(`/proc/${pid}/comm`, 'utf8')),
    gone(stat(`/proc/${pid}`)),
  ]);
  if (line === null || name === null || owner === null) return null;
  const command = line.replace(/\0+$/, '').replaceAll('\0', ' ');
  return { command: command === '' ? name.trimEnd() : command, user: names.get(owner.uid) ?? String(owner.uid) };
}

const GONE = ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'];

/** `null` for what ended while it was looked at, and for what this user may not see. */
async function gone<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise;
  } catch (error) {
    if (hasCode(error, ...GONE)) return null;
    throw systemError('look at the processes', error);
  }
}
