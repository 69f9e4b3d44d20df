import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as z from 'zod';
import { writeBeside } from '../../host/journal.js';
import { readIfThere } from '../../native/read-if-there.js';
import { shimFolder } from '../../native/runtime-dir.js';
import { sharedRulesFile } from '../bridge/network-folder.js';
import { encodeBatch, type Request } from '../nftables/nfnetlink.js';
import { borderRequests, type RuledNetwork } from './network-rules.js';
import { guardRequests } from './port-rules.js';

// Where the tables that detached containers of a network have together can be found: a file beside the network's lock, which says who holds them.
// The file is a hint. Whoever finds nobody there, or tables that are not those, makes others.

const notedPort = z.object({ name: z.string(), index: z.int().positive(), mac: z.string(), addresses: z.array(z.string()) });

const schema = z.object({
  /** The name of both tables. */
  table: z.string(),
  /** Which rules they have, as {@link rulesKey} tells. */
  key: z.string(),
  /** The containers whose shims have the socket of the tables, and in which slot; the last one was made last. */
  holders: z.array(z.object({ id: z.string().regex(/^[0-9a-f]+$/), slot: z.int().nonnegative() })),
  /** Those that were not looked at for the longest time come first. */
  ports: z.array(notedPort),
});

export type SharedNote = z.infer<typeof schema>;

export type NotedPort = z.infer<typeof notedPort>;

/** How many holders are noted: enough that one of them lives, most of the time. */
const MOST_HOLDERS = 8;

/** What tells rules of one kind from those of others, such as of a network of the name before, or of another version of this library. */
export function rulesKey(network: RuledNetwork): string {
  const requests: Request[] = [...borderRequests({ family: 'inet', name: '' }, network), ...guardRequests({ family: 'bridge', name: '' })];
  return createHash('sha256').update(encodeBatch(requests).messages).digest('hex').slice(0, 16);
}

/** `null` where there is none, or none that can be read. */
export function readSharedNote(name: string): SharedNote | null {
  const text = readIfThere(sharedRulesFile(name));
  if (text === null) return null;
  try {
    const note = schema.safeParse(JSON.parse(text));
    return note.success ? note.data : null;
  } catch {
    // no JSON: nothing depends on the file, and the next one is written over it
    return null;
  }
}

/** Readers see the note before or this one. @throws SyscallError */
export function writeSharedNote(name: string, note: SharedNote): void {
  writeBeside(sharedRulesFile(name), JSON.stringify(note));
}

/**
 * Notes that a container's shim has the socket of the tables, if these are still the ones that are noted. The caller has the network's lock.
 *
 * @throws SyscallError
 */
export function noteHolder(name: string, table: string, holder: SharedNote['holders'][number]): void {
  const note = readSharedNote(name);
  if (note === null || note.table !== table) return;
  writeSharedNote(name, { ...note, holders: [...withRoom(note.holders), holder] });
}

/** Where there are as many as can be: without the first one whose shim has gone, or else without the one that was made first. */
function withRoom(holders: SharedNote['holders']): SharedNote['holders'] {
  if (holders.length < MOST_HOLDERS) return holders;
  const gone = holders.findIndex(({ id }) => !existsSync(shimFolder(id)));
  return holders.toSpliced(Math.max(gone, 0), 1);
}
