import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, readlink, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { OWN_NAME, SYSTEM_FOLDERS } from '../plan/constants.js';
import { parseDigest } from './digest.js';

/** Where images are kept: NACELLE_ROOT, read at each use, else /var/lib/nacelle for root, else $XDG_DATA_HOME/nacelle. */
export function storeRoot(): string {
  const { NACELLE_ROOT, XDG_DATA_HOME } = process.env;
  if (NACELLE_ROOT) return resolve(NACELLE_ROOT);
  if (process.geteuid?.() === 0) return SYSTEM_FOLDERS.store;
  return join(XDG_DATA_HOME || join(homedir(), '.local/share'), OWN_NAME);
}

function layerFolder(root: string, chainId: string): string {
  const { algorithm, hex } = parseDigest(chainId);
  return join(root, 'layers', algorithm, hex);
}

function isError(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isError(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** The unpacked layer's root, or `null` when it is not in the store. What is there is whole: it came by one rename. */
export async function findLayer(chainId: string): Promise<string | null> {
  const path = join(layerFolder(storeRoot(), chainId), 'fs');
  return (await isFolder(path)) ? path : null;
}

/**
 * Makes a layer: `fill` gets an empty folder. It is published by one rename, so that nobody ever finds half a layer. When
 * another process was faster, its layer stands and this one is removed. Whatever fails, nothing is left.
 *
 * @returns the layer's root
 */
export async function addLayer(chainId: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const root = storeRoot();
  const target = layerFolder(root, chainId);
  await makeFolders(root, relative(root, dirname(target)).split('/'));
  await removeLeftovers(root);
  const temporary = join(root, 'tmp', `${await ownName()}-${randomUUID()}`);
  try {
    const folder = await makeFolders(join(root, 'tmp'), [basename(temporary), 'fs']);
    // The layer's own root: what a container's user goes through. An entry './' of the layer overrules it.
    const handle = await open(folder, 'r');
    try {
      await handle.chmod(0o755);
      await fill(folder);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target).catch(async (error: unknown) => {
      if (!isError(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    });
    await syncFolder(join(target, '..'));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return join(target, 'fs');
}

/** One by one: `recursive` tells of a full disk as ENOENT. */
async function makeFolders(root: string, names: readonly string[]): Promise<string> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  let path = root;
  for (const name of names) {
    path = join(path, name);
    await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
      if (!isError(error, 'EEXIST')) throw error;
    });
  }
  return path;
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Field 22 of /proc/PID/stat, the start in clock ticks; the command before it may hold spaces and brackets. `null`: no such process. */
async function startTime(pid: string): Promise<string | null> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch (error) {
    if (isError(error, 'ENOENT', 'ESRCH')) return null;
    throw error;
  }
}

/** A pid means something only in its pid namespace, and may be given again: so both that and the start are in the name. */
async function ownName(): Promise<string> {
  return `${await pidNamespace()}-${process.pid}-${await startTime('self')}`;
}

async function pidNamespace(): Promise<string> {
  return (await readlink('/proc/self/ns/pid')).replace(/\D/g, '');
}

/** Removes what processes of this pid namespace left in tmp when they died. Those of others can't be judged and stay. */
async function removeLeftovers(root: string): Promise<void> {
  const folder = await makeFolders(root, ['tmp']);
  const namespace = await pidNamespace();
  for (const name of await readdir(folder)) {
    const [, owner, pid, start] = /^(\d+)-(\d+)-(\d+)-/.exec(name) ?? [];
    if (owner !== namespace || pid === undefined || (await startTime(pid)) === start) continue;
    await rm(join(folder, name), { recursive: true, force: true });
  }
}
