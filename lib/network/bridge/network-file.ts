import { open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, NacelleError } from '../../errors.js';
import { storeRoot } from '../../host/store-path.js';
import { requireOwn } from '../../native/own-folder.js';
import { attempting } from '../../native/system-errors.js';
import { hold } from '../../store/lease.js';
import { lockFile } from '../../store/store-lock.js';
import { listFolder, makeFolder, syncFolder } from '../../store/store-root.js';
import { writeWhole } from '../../store/whole-file.js';
import { type NetworkRecord, networkSchema } from './network-settings.js';

// What a network is to be is written down in the store, in networks/NAME.json. Its bridge and the addresses in use are of the running
// machine (network-folder.ts).

const END = '.json';

function folder(): string {
  return join(storeRoot(), 'networks');
}

function fileOf(name: string): string {
  return join(folder(), `${name}${END}`);
}

export function noNetwork(name: string): NacelleError {
  return new NacelleError(`there is no network ${name}. Network.create makes one`, { code: 'ERR_NO_NETWORK' });
}

/** What is written down of a network; `null` when there is none of that name. @throws NacelleError `ERR_RECORD` when that is damaged */
export async function findNetwork(name: string): Promise<NetworkRecord | null> {
  const path = fileOf(name);
  const text = await attempting(`read ${path}`, () =>
    readFile(path, 'utf8').catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return null;
      throw error;
    }),
  );
  if (text === null) return null;
  try {
    return networkSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new NacelleError(`what ${path} says of a network is damaged`, { code: 'ERR_RECORD', cause });
  }
}

/** The names of all networks, sorted. */
export async function networkNames(): Promise<string[]> {
  const names = await attempting(`list the folder ${folder()}`, () => listFolder(folder()));
  return names.flatMap((name) => (name.endsWith(END) ? [name.slice(0, -END.length)] : [])).sort();
}

/** Does some work while no other process writes a network down. */
export async function withNetworkFiles<T>(work: () => Promise<T>): Promise<T> {
  const path = join(folder(), 'lock');
  const file = await attempting(`open ${path}`, async () => {
    requireOwn(await makeFolder(folder()));
    return open(path, 'a+', 0o600);
  });
  try {
    await lockFile(file, 'exclusive');
    return await work();
  } finally {
    await file.close();
  }
}

/** Writes down a network. The caller has the lock, and has seen that there is none of that name. */
export async function writeNetwork(name: string, record: NetworkRecord): Promise<void> {
  await attempting(`write down the network ${name}`, async () => {
    const held = await hold([], storeRoot());
    try {
      await writeWhole(fileOf(name), `${JSON.stringify(record)}\n`, held);
    } finally {
      held.release();
    }
  });
}

/** Forgets a network; one that is not there is forgotten. */
export async function forgetNetwork(name: string): Promise<void> {
  await attempting(`forget the network ${name}`, async () => {
    await unlink(fileOf(name)).catch((error: unknown) => {
      if (!hasCode(error, 'ENOENT')) throw error;
    });
    await syncFolder(folder());
  });
}
