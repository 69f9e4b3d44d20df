import { mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { hasCode, NacelleError } from '../../errors.js';
import { ownNetworkNamespace } from '../../host/locate.js';
import { listIfThere, readIfThere } from '../../native/read-if-there.js';
import { runtimeDir } from '../../native/runtime-dir.js';
import { attempt } from '../../native/system-errors.js';
import { withRemovable } from '../../store/removable-lock.js';
import { CNI_VERSIONS } from './cni-version.js';
import { pluginList } from './plugin-list.js';

// What plugins have been told of containers, in the runtime folder, so that they can be told to take it back, whoever has died:
//
//   cni/NETNS/ID/lock        exclusive for who has something done for that container
//   cni/NETNS/ID/making      the container is being made: goes with the process that makes it
//   cni/NETNS/ID/live        the container is there: goes with its task
//   cni/NETNS/ID/LINK.json   a place in a network: what the plugins were given and, once they are done, their result. It goes when a DEL has
//                            succeeded
//
// NETNS is the inode number of the network namespace in which the plugins were run: they must be run there again. ID is the container's, LINK
// the name of its link.

const attachmentSchema = z.strictObject({
  /** The network's, and its store's. */
  network: z.string(),
  store: z.string(),
  list: pluginList,
  version: z.enum(CNI_VERSIONS),
  path: z.array(z.string()),
  timeout: z.number(),
  request: z.strictObject({
    id: z.string(),
    interface: z.string(),
    /** As the ADD had it, which lasts as long as the process that called it. */
    netns: z.string(),
    args: z.record(z.string(), z.string()),
    capabilities: z.record(z.string(), z.unknown()),
  }),
  /** The inode number of the container's network namespace, by which its path is known to be the same. */
  inode: z.int(),
  /** As it was printed; `null` while the ADD is under way, or where it has failed. */
  result: z.unknown(),
});

/** What is written down of a container's place in a network. */
export type NotedAttachment = z.output<typeof attachmentSchema>;

const END = '.json';
const LIVE = 'live';
const MAKING = 'making';

/** The folder of what plugins have been told of a container, in the network namespace of this process. */
export function folderOf(id: string): string {
  return join(runtimeDir(), 'cni', String(ownNetworkNamespace()), id);
}

export function liveFile(folder: string): string {
  return join(folder, LIVE);
}

export function makingFile(folder: string): string {
  return join(folder, MAKING);
}

/** The folders of all containers, with the network namespaces that plugins were run in. */
export function notedFolders(): { readonly namespace: number; readonly id: string; readonly folder: string }[] {
  const all = join(runtimeDir(), 'cni');
  return listIfThere(all).flatMap((namespace) =>
    listIfThere(join(all, namespace)).map((id) => ({ namespace: Number(namespace), id, folder: join(all, namespace, id) })),
  );
}

/** Whether the container is there, or is being made. */
export function isLive(folder: string): boolean {
  return listIfThere(folder).some((name) => name === LIVE || name === MAKING);
}

/** Does some work for a container while nobody else does. */
export function withContainer<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const make = (): void => attempt(`make the folder ${folder}`, () => void mkdirSync(folder, { recursive: true, mode: 0o700 }));
  return withRemovable(join(folder, 'lock'), make, work);
}

/** Removes the folders of a container of which nothing is written down any more. The caller has its lock, which goes with them. */
export function removeContainerFolder(folder: string): void {
  const left = listIfThere(folder);
  if (left.some((name) => name === LIVE || name === MAKING || name.endsWith(END))) return;
  attempt(`remove ${folder}`, () => {
    try {
      for (const name of left) rmSync(join(folder, name), { force: true });
      for (const path of [folder, dirname(folder), dirname(dirname(folder))]) rmdirSync(path);
    } catch (error) {
      // there are others
      if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error;
    }
  });
}

/** The file is there whole or not at all. */
export function noteAttachment(folder: string, noted: NotedAttachment): void {
  const path = fileOf(folder, noted);
  attempt(`write ${path}`, () => {
    writeFileSync(`${path}.new`, JSON.stringify(noted), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  });
}

export function forgetAttachment(folder: string, noted: NotedAttachment): void {
  const path = fileOf(folder, noted);
  attempt(`remove ${path}`, () => rmSync(path, { force: true }));
}

/** A container's places in networks. @throws NacelleError `ERR_RECORD` when a file is damaged */
export function attachmentsOf(folder: string): NotedAttachment[] {
  return listIfThere(folder)
    .filter((name) => name.endsWith(END))
    .flatMap((name) => {
      const path = join(folder, name);
      const text = readIfThere(path);
      return text === null ? [] : [readNoted(path, text)];
    });
}

/** Those of all containers that are there, in every network namespace: other processes may be in others. */
export function liveAttachments(): (NotedAttachment & { readonly isHere: boolean })[] {
  const own = ownNetworkNamespace();
  return notedFolders()
    .filter(({ folder }) => isLive(folder))
    .flatMap(({ folder, namespace }) => attachmentsOf(folder).map((noted) => ({ ...noted, isHere: namespace === own })));
}

function readNoted(path: string, text: string): NotedAttachment {
  try {
    return attachmentSchema.parse(JSON.parse(text));
  } catch (cause) {
    const message = `what ${path} says of a container's network is damaged. Detach the container by hand (CNI's DEL), then remove the file`;
    throw new NacelleError(message, { code: 'ERR_RECORD', cause });
  }
}

function fileOf(folder: string, { request }: NotedAttachment): string {
  return join(folder, `${request.interface}${END}`);
}
