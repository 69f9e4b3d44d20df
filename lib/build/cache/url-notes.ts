import { unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { storeRoot } from '../../host/store-path.js';
import { digestOf, parseDigest } from '../../image/formats/digest.js';
import { parseJsonRecord, readRecordText } from '../../store/json-record.js';
import { hold } from '../../store/lease.js';
import { withLock } from '../../store/store-lock.js';
import { listFolder, makeFolder } from '../../store/store-root.js';
import { writeWhole } from '../../store/whole-file.js';
import type { UrlNote } from '../files/fetch-file.js';

const schema = z.strictObject({
  version: z.literal(1),
  url: z.string(),
  etag: z.string(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  size: z.int().min(0),
  mtime: z.int().min(0),
});

function folderOf(root: string): string {
  return join(root, 'build-cache', 'urls');
}

function pathOf(url: URL, root: string): string {
  return join(folderOf(root), parseDigest(digestOf(Buffer.from(url.href))).hex);
}

/** What a URL had when a build last fetched it; `null`: that is not known, or the note is damaged. */
export async function readUrlNote(url: URL, root = storeRoot()): Promise<UrlNote | null> {
  const text = await readRecordText(pathOf(url, root));
  return text === null ? null : parseUrlNote(text, url);
}

/** @returns `null` for what is no note, or that of another URL */
export function parseUrlNote(text: string, url: URL): UrlNote | null {
  const data = parseJsonRecord(schema, text);
  if (data?.url !== url.href) return null;
  const { etag, hash, size, mtime } = data;
  return { etag, hash, size, mtime };
}

/** Notes what a URL has, over an older note. */
export async function writeUrlNote(url: URL, { etag, hash, size, mtime }: UrlNote, root = storeRoot()): Promise<void> {
  const held = await hold([], root);
  try {
    const path = pathOf(url, root);
    await makeFolder(dirname(path));
    await writeWhole(path, JSON.stringify({ version: 1, url: url.href, etag, hash, size, mtime }), held);
  } finally {
    held.release();
  }
}

/** Forgets what all URLs had. */
export async function removeUrlNotes(root = storeRoot()): Promise<void> {
  const folder = folderOf(root);
  await withLock(root, 'exclusive', async () => {
    for (const name of await listFolder(folder)) await unlink(join(folder, name));
  });
}
