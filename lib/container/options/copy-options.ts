import type { Readable } from 'node:stream';
import * as z from 'zod';
import { invalidOption } from '../../errors.js';
import { absolutePath } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import { sizeSchema } from '../../options/size.js';
import { copyIn, type ParsedCopyIn } from './copy-in-option.js';
import { endsAsFolder, MAKES_FILE, target } from './mount-target.js';
import { tidied } from './tidied.js';

/** A place in a container to be read. */
export interface ParsedCopyFrom {
  readonly path: string;
  /** What is in the folder, without the folder itself: its path has a '/' at its end. */
  readonly contentOnly: boolean;
  /** Bytes; `null` for no limit. */
  readonly maxBytes: number | null;
}

/** What is written to a place in a container. */
export type ParsedCopyTo =
  | { readonly type: 'tar'; readonly path: string; readonly tar: Readable }
  | ({
      readonly type: 'file';
      readonly path: string;
      /** Only a folder is written there: the path has a '/' at its end. */
      readonly folderOnly: boolean;
    } & ParsedCopyIn);

const fromSchema = z.strictObject({ path: absolutePath, maxBytes: sizeSchema().optional() });
const tarSchema = z.strictObject({ path: absolutePath.transform(tidied) });
const fileSchema = z.strictObject({ path: target.schema(), source: copyIn.schema() });

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseCopyFrom(path: string, options: object): ParsedCopyFrom {
  const { path: wanted, maxBytes = null } = parseOptions(fromSchema, { ...options, path }, 'options');
  return { path: tidied(wanted), contentOnly: endsAsFolder(wanted), maxBytes };
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseCopyTo(path: string, source: unknown): ParsedCopyTo {
  if (isReadable(source)) return { type: 'tar', ...parseOptions(tarSchema, { path }, 'copyTo'), tar: source };
  const parsed = parseOptions(fileSchema, { path, source }, 'copyTo');
  const folderOnly = endsAsFolder(path);
  if (folderOnly && parsed.source.source === null) throw invalidOption('path', MAKES_FILE);
  return { type: 'file', path: parsed.path, folderOnly, ...parsed.source };
}

/** A stream is told by what it can do: another copy of node:stream may have made it. */
function isReadable(value: unknown): value is Readable {
  return typeof value === 'object' && value !== null && 'pipe' in value && Symbol.asyncIterator in value;
}
