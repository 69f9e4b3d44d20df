import { stat, unlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { hasCode } from '../../errors.js';
import { storeRoot } from '../../host/store-path.js';
import { now } from '../../native/clock.js';
import { parseJsonRecord, readRecordText } from '../../store/json-record.js';
import { hold } from '../../store/lease.js';
import { withLock } from '../../store/store-lock.js';
import { listFolder, makeFolder } from '../../store/store-root.js';
import { writeWhole } from '../../store/whole-file.js';
import { parseDigest } from '../formats/digest.js';
import { hasBlob } from './blobs.js';

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const schema = z.strictObject({
  version: z.literal(1),
  key: digest,
  instruction: z.string(),
  created: z.int().min(0),
  layer: z.strictObject({ digest, size: z.int().min(0), compression: z.enum(['gzip', 'zstd', 'none']), diffId: digest }).nullable(),
});

/** Which layer came of a step of a build. */
export interface LayerRecord {
  /** The digest of all that the layer follows from. */
  readonly key: string;
  /** For a reader: the instruction as it is written. */
  readonly instruction: string;
  /** When the layer was made; seconds since the epoch. */
  readonly created: number;
  /** `null`: the step changed nothing. */
  readonly layer: z.output<typeof schema>['layer'];
}

/** A record that was found. */
export interface StoredRecord {
  readonly record: LayerRecord;
  readonly lastUsedAt: Date;
}

function recordPath(root: string, key: string): string {
  const { algorithm, hex } = parseDigest(key);
  return join(root, 'build-cache', algorithm, hex);
}

/** The record of a key; `null`: there is none, or it is damaged. The layer's blob may be gone. */
export async function readRecord(key: string, root = storeRoot()): Promise<LayerRecord | null> {
  const text = await readRecordText(recordPath(root, key));
  return text === null ? null : parseRecord(text, key);
}

/** @returns `null` for what is no record, or that of another key */
export function parseRecord(text: string, key: string): LayerRecord | null {
  const data = parseJsonRecord(schema, text);
  return data?.key === key ? data : null;
}

/** Writes a record, over an older one of the same key. The caller holds the layer's blob. */
export async function writeRecord({ key, instruction, created, layer }: LayerRecord, root = storeRoot()): Promise<void> {
  const held = await hold([], root);
  try {
    const path = recordPath(root, key);
    await makeFolder(dirname(path));
    await writeWhole(path, JSON.stringify({ version: 1, key, instruction, created, layer }), held);
  } finally {
    held.release();
  }
}

/** Notes that a record is used now. This is information only: whether it succeeds changes nothing. */
export async function touchRecord(key: string, root = storeRoot()): Promise<void> {
  const seconds = now() / 1000;
  await utimes(recordPath(root, key), seconds, seconds).catch((error: unknown) => {
    // the store is read-only, or the record was removed meanwhile
    if (!hasCode(error, 'EROFS', 'ENOENT', 'EACCES', 'EPERM')) throw error;
  });
}

/** The records that are no use any more are left out: of a layer that is gone, and damaged ones. */
export async function listRecords(root = storeRoot()): Promise<StoredRecord[]> {
  const all = await Promise.all((await keysIn(root)).map((key) => storedRecord(key, root)));
  return all.filter((found) => found !== null);
}

async function storedRecord(key: string, root: string): Promise<StoredRecord | null> {
  const record = await readRecord(key, root);
  if (record === null || (record.layer && !(await hasBlob(record.layer, root)))) return null;
  const stats = await stat(recordPath(root, key)).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  });
  return stats && { record, lastUsedAt: stats.mtime };
}

/** Removes all records; what they kept is left to the next prune. @returns their keys */
export async function removeRecords(root = storeRoot()): Promise<string[]> {
  return withLock(root, 'exclusive', async () => {
    const keys = await keysIn(root);
    for (const key of keys) await unlink(recordPath(root, key));
    return keys;
  });
}

/** Removes the records that are no use any more. The caller has the lock exclusively. @returns the digests of the layers that the others need */
export async function sweepRecords(root: string): Promise<string[]> {
  const kept: string[] = [];
  for (const key of await keysIn(root)) {
    const found = await storedRecord(key, root);
    if (found === null) await unlink(recordPath(root, key));
    else if (found.record.layer) kept.push(found.record.layer.digest);
  }
  return kept;
}

async function keysIn(root: string): Promise<string[]> {
  const names = await listFolder(join(root, 'build-cache', 'sha256'));
  return names.map((hex) => `sha256:${hex}`).filter((key) => digest.safeParse(key).success);
}
