import type { Readable } from 'node:stream';
import * as z from 'zod';
import type { Image } from '../../image/image.js';
import { bytes, handle } from '../../options/common-schemas.js';

/** Files by their paths below a context's root, or the stream of a tar with them, which gzip or zstd may have compressed. */
export type ContextFiles = Readonly<Record<string, string | Uint8Array>> | Readable;

const stream = z.custom<Readable>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Symbol.asyncIterator in value &&
    'pipe' in value &&
    typeof value.pipe === 'function' &&
    Reflect.get(value, 'readable') !== false,
  'must be a folder, files by their paths, or a stream that can be read from',
);

const folder = z
  .string()
  .min(1)
  .refine((value) => !value.includes('\0'), 'must have no NUL byte');

export const contextSchema = z
  .union([folder, stream, z.record(z.string(), z.union([z.string(), bytes]))])
  .superRefine((value, context) => {
    if (typeof value === 'string' || Symbol.asyncIterator in value) return;
    for (const path of Object.keys(value)) {
      const message = problemOf(path);
      if (message !== null) context.addIssue({ code: 'custom', message, path: [path] });
    }
  })
  .default('.');

function problemOf(path: string): string | null {
  if (path.includes('\0')) return 'must be a path without NUL bytes';
  return path.split('/').some((name) => name === '' || name === '.' || name === '..')
    ? "must be a path below the context's root, without '.' and '..'"
    : null;
}

export const contextsSchema = z
  .record(
    z.string().regex(/^[^\s$]+$/, 'must be a name, without blanks and $'),
    z.union([folder, handle<Image>((value) => 'digest' in value && 'layers' in value, 'an Image')]),
  )
  .default({});
