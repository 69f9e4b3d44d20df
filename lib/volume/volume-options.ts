import * as z from 'zod';
import { text } from '../options/common-schemas.js';
import { type Size, sizeSchema } from '../options/size.js';

/** What a new volume is to be. */
export interface VolumeOptions {
  /** Words of the caller's own, such as `{ project: 'shop' }`. Default none. */
  labels?: Record<string, string> | undefined;
  /**
   * What all files in it may take up, at least 64 KiB: bytes or a docker string ('256m'). Default: as much as the file system has. It is
   * refused (`ERR_UNSUPPORTED`) where it could not be kept: see `features().folderQuota`.
   */
  size?: Size | undefined;
}

/** docker's rule for names. A name is a folder's, so it has 255 bytes at most. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;

/** Says what is wrong with a volume's name; `null` for a right one. */
export function problemOfName(name: string): string | null {
  if (NAME.test(name)) return null;
  return "must be the name of a volume: letters, digits, '_', '.' and '-', of which the first is a letter or a digit, and at most 255 of them";
}

export const volumeName = z.string().superRefine((name, context) => {
  const problem = problemOfName(name);
  if (problem !== null) context.addIssue(`${problem}, not ${JSON.stringify(name)}`);
});

export const volumeOptions = z.strictObject({
  labels: z.record(text, text).optional(),
  size: sizeSchema(64 * 1024).optional(),
});

export const pruneOptions = z.strictObject({ all: z.boolean().optional() });
