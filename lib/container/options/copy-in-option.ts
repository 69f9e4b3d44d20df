import { types } from 'node:util';
import * as z from 'zod';
import { absolutePath, custom, id } from '../../options/common-fields.js';
import * as json from '../../options/option-fields.js';

export interface ParsedCopyIn {
  /** Absolute, on the host; `null` with content. */
  readonly source: string | null;
  /** `null` with a source. */
  readonly content: Uint8Array | null;
  /** `null`: as the source has it. */
  readonly mode: number | null;
  /** `null`: the container's user's. */
  readonly uid: number | null;
  readonly gid: number | null;
}

const content = custom(
  (value): value is string | Uint8Array => typeof value === 'string' || types.isUint8Array(value),
  'must be a string or bytes',
);

function bytes(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : value;
}

const file = json
  .strictObject({}, { source: absolutePath, content, mode: json.int().min(0).max(0o7777), uid: id, gid: id })
  .transform((given, complain): ParsedCopyIn => {
    if ((given.source === undefined) === (given.content === undefined)) complain('must have one of source and content');
    return {
      source: given.source ?? null,
      content: given.content === undefined ? null : bytes(given.content),
      mode: given.mode ?? (given.source === undefined ? 0o644 : null),
      uid: given.uid ?? null,
      gid: given.gid ?? null,
    };
  });
const contentAlone = content.transform(
  (value): ParsedCopyIn => ({ source: null, content: bytes(value), mode: 0o644, uid: null, gid: null }),
);
const forms = json.either(file, contentAlone);

/** For zod bytes are wrapped first: in a plain object, each byte would be looked at as an unknown key. */
export const copyIn = new json.Field<ParsedCopyIn, unknown>(forms.read, () =>
  z.preprocess((value) => (types.isUint8Array(value) ? { content: value } : value), forms.schema()),
);
