import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { hasCode } from '../errors.js';

/** The text of a record in the store; `null`: there is none. */
export async function readRecordText(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  });
}

/** A record that is JSON of this shape; `null` for anything else, such as half of a record after a loss of power: what it tells is found out anew. */
export function parseJsonRecord<T>(schema: z.ZodType<T>, text: string): T | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const { success, data } = schema.safeParse(value);
  return success ? data : null;
}
