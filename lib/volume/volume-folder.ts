import { chmod, mkdir, opendir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { hasCode, NacelleError } from '../errors.js';
import { storeRoot } from '../host/store-path.js';
import { now } from '../native/clock.js';
import { requireOwn } from '../native/own-folder.js';
import { attempting } from '../native/system-errors.js';
import { listFolder, makeFolder, publish, syncFolder } from '../store/store-root.js';
import { withTemporary } from '../store/temporary-folder.js';
import { writeNew } from '../store/whole-file.js';

// A volume in the store:
//
//   volumes/NAME/data           what containers see
//   volumes/NAME/volume.json    labels and the like
//   volumes/NAME/lock           shared for who uses the volume, exclusive for who fills or removes it (volume-lock.ts)
//
// The folder NAME comes and goes by one rename, and so does a `data` that is filled: nobody ever finds half a volume.

const schema = z.strictObject({
  labels: z.record(z.string(), z.string()),
  createdAt: z.iso.datetime(),
});

/** What is written down of a volume. */
export type VolumeRecord = z.output<typeof schema>;

/** The folder of a volume with all that belongs to it. The name must be checked. */
export function volumeFolder(name: string, root = storeRoot()): string {
  return join(root, 'volumes', name);
}

/** The folder with the volume's files. */
export function dataFolder(name: string, root = storeRoot()): string {
  return join(volumeFolder(name, root), 'data');
}

export function lockPath(name: string, root = storeRoot()): string {
  return join(volumeFolder(name, root), 'lock');
}

export function noVolume(name: string): NacelleError {
  return new NacelleError(`there is no volume ${name}`, { code: 'ERR_NO_VOLUME' });
}

/**
 * Makes an empty volume. Of several that make one of the same name, one does.
 *
 * @throws NacelleError `ERR_NAME_TAKEN`, `ERR_NOT_OWN`; SyscallError. Nothing is left then
 */
export async function makeVolume(name: string, labels: Readonly<Record<string, string>>, root = storeRoot()): Promise<VolumeRecord> {
  const record: VolumeRecord = { labels: { ...labels }, createdAt: new Date(now()).toISOString() };
  const making = async (folder: string): Promise<void> => {
    await makeParts(folder, record);
    requireOwn(await makeFolder(join(root, 'volumes')));
    await publish(folder, volumeFolder(name, root)).catch((error: unknown) => {
      throw hasCode(error, 'ENOTEMPTY', 'EEXIST') ? nameTaken(name, error) : error;
    });
  };
  await attempting(`make the volume ${name}`, () => withTemporary(making, { root }));
  return record;
}

async function makeParts(folder: string, record: VolumeRecord): Promise<void> {
  await makeFolder(folder);
  await writeNew(join(folder, 'volume.json'), JSON.stringify(record));
  await writeNew(join(folder, 'lock'), '');
  const data = join(folder, 'data');
  await mkdir(data);
  // the umask has no say: a container's user must be able to look into the volume
  await chmod(data, 0o755);
  await syncFolder(folder);
}

function nameTaken(name: string, cause: unknown): NacelleError {
  return new NacelleError(`there is a volume ${name} already`, { code: 'ERR_NAME_TAKEN', cause });
}

/**
 * What is written down of a volume; `null` when there is none of that name.
 *
 * @throws NacelleError `ERR_RECORD` when that is damaged
 */
export async function findVolume(name: string, root = storeRoot()): Promise<VolumeRecord | null> {
  const path = join(volumeFolder(name, root), 'volume.json');
  const text = await attempting(`read ${path}`, () =>
    readFile(path, 'utf8').catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return null;
      throw error;
    }),
  );
  return text === null ? null : parseRecord(text, path);
}

function parseRecord(text: string, path: string): VolumeRecord {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new NacelleError(`what ${path} says of a volume is damaged`, { code: 'ERR_RECORD', cause });
  }
}

/** The names of all volumes, sorted. */
export async function volumeNames(root = storeRoot()): Promise<string[]> {
  const path = join(root, 'volumes');
  return (await attempting(`list the folder ${path}`, () => listFolder(path))).sort();
}

/** Whether nothing is in a volume. One that an ordinary user's container has given to another id, which lets nobody look, was used already. */
export async function isEmpty(folder: string): Promise<boolean> {
  const opened = await opendir(folder).catch((error: unknown) => {
    if (hasCode(error, 'EACCES')) return null;
    throw error;
  });
  if (opened === null) return false;
  try {
    return (await opened.read()) === null;
  } finally {
    await opened.close();
  }
}
