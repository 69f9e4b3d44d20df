import type { Readable } from 'node:stream';
import * as z from 'zod';
import type { Image } from '../../image/image.js';
import { bytes, handle } from '../../options/common-schemas.js';

/** Files by their paths below a context's root. */
export type FilesByPath = Readonly<Record<string, string | Uint8Array>>;

/** Files of a context, or the stream of a tar with them, which gzip or zstd may have compressed. */
export type ContextFiles = FilesByPath | Readable;

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

const files = z.record(z.string(), z.union([z.string(), bytes])).superRefine((value, context) => {
  for (const path of Object.keys(value)) {
    const message = problemOf(path);
    if (message !== null) context.addIssue({ code: 'custom', message, path: [path] });
  }
});

export const contextSchema = z.union([folder, stream, files]).default('.');

function problemOf(path: string): string | null {
  if (path.includes('\0')) return 'must be a path without NUL bytes';
  return path.split('/').some((name) => name === '' || name === '.' || name === '..')
    ? "must be a path below the context's root, without '.' and '..'"
    : null;
}

export const contextsSchema = z
  .record(
    z.string().regex(/^[^\s$]+$/, 'must be a name, without blanks and $'),
    // an Image is no plain object, and files may have any names
    z.union([folder, files, handle<Image>((value) => 'digest' in value && 'layers' in value, 'an Image')]),
  )
  .default({});
