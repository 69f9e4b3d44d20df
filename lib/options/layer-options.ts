import type { Readable } from 'node:stream';
import * as z from 'zod';
import { date } from './common-schemas.js';
import { parseOptions } from './parse-options.js';

/** How changes become a layer. */
export interface LayerOptions {
  /**
   * No file in the layer has a later time than this: later times are set to it, so that the same changes give the same bytes whenever they
   * were made. Default: times stay as they are.
   */
  readonly clampMtime?: Date | undefined;
}

/** A layer: the tar stream of an OCI layer, not compressed. */
export type LayerStream = (options?: LayerOptions) => Promise<Readable>;

const schema = z.strictObject({ clampMtime: date.refine((value) => value.getTime() >= 0, 'must not be before 1970').optional() });

/** Seconds since the epoch. @throws NacelleError `ERR_INVALID_OPTION` */
export function clampOf(options: LayerOptions = {}): number | undefined {
  const { clampMtime } = parseOptions(schema, options, 'options');
  return clampMtime && Math.floor(clampMtime.getTime() / 1000);
}
