import { readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, isNacelleError, NacelleError, UnsupportedError } from '../../errors.js';
import { storeRoot } from '../../host/store-path.js';
import { readIfThere } from '../../native/read-if-there.js';
import { attempting } from '../../native/system-errors.js';
import { hold } from '../../store/lease.js';
import { withLock } from '../../store/store-lock.js';
import { listFolder, syncFolder } from '../../store/store-root.js';
import { writeWhole } from '../../store/whole-file.js';
import { type NetworkRecord, parseWritten, type WrittenRecord } from './network-settings.js';

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
export async function findNetwork(name: string): Promise<WrittenRecord | null> {
  const path = fileOf(name);
  const text = await attempting(`read ${path}`, () =>
    readFile(path, 'utf8').catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return null;
      throw error;
    }),
  );
  if (text === null) return null;
  try {
    return parseWritten(text);
  } catch (cause) {
    throw new NacelleError(`what ${path} says of a network is damaged. Remove that file`, { code: 'ERR_RECORD', cause });
  }
}

/** As {@link findNetwork}, of a network that nacelle itself makes. @throws NacelleError `ERR_NO_NETWORK`; UnsupportedError for one that plugins make */
export async function requireOwnNetwork(name: string): Promise<NetworkRecord> {
  const record = await findNetwork(name);
  if (record === null) throw noNetwork(name);
  if (record.driver !== 'cni') return record;
  const reason = `plugins of CNI make the network ${name}, and attach containers before their programs begin`;
  throw new UnsupportedError('this use of a network', reason, 'Name the network when the container is made.');
}

/** Whether plugins make a network, which is looked up at once: a container that is about to be made needs to know it first. */
export function isPluginNetwork(name: string): boolean {
  const text = readIfThere(fileOf(name));
  try {
    // most are none, and need not be understood for that
    return text?.includes('"cni"') === true && parseWritten(text).driver === 'cni';
  } catch {
    // whoever uses it tells what is damaged
    return false;
  }
}

/** A network with what is written down of it, or why that can't be understood. */
export type WrittenNetwork = { readonly name: string } & (
  | { readonly record: WrittenRecord; readonly error: null }
  | { readonly record: null; readonly error: NacelleError }
);

/** All networks, sorted by name. One that is damaged keeps nobody from the others. */
export async function allNetworks(): Promise<WrittenNetwork[]> {
  const files = await attempting(`list the folder ${folder()}`, () => listFolder(folder()));
  const names = files.flatMap((file) => (file.endsWith(END) ? [file.slice(0, -END.length)] : [])).sort();
  const found: WrittenNetwork[] = [];
  for (const name of names) {
    try {
      const record = await findNetwork(name);
      // a network may be removed while this looks
      if (record) found.push({ name, record, error: null });
    } catch (error) {
      if (!isNacelleError(error) || error.code !== 'ERR_RECORD') throw error;
      found.push({ name, record: null, error });
    }
  }
  return found;
}

/** Does some work while no other process writes a network down. @param signal its abort ends the waiting, with the signal's reason */
export function withNetworkFiles<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  return attempting(`lock the folder ${folder()}`, () => withLock(folder(), 'exclusive', work, signal));
}

/** Writes down a network. The caller has the lock, and has seen that there is none of that name. */
export async function writeNetwork(name: string, record: WrittenRecord): Promise<void> {
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
