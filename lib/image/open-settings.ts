import { parseOptions } from '../options/parse-options.js';
import { DEFAULT_LIMITS } from './formats/default-limits.js';
import { type OpenOptions, openOptions, type ParsedOpen } from './image-options.js';

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function openSettings(options: OpenOptions): ParsedOpen {
  // a container's image is opened so, and then there is nothing for the schema to check, which takes long to make
  const isPlain = typeof options === 'object' && options !== null && Object.getPrototypeOf(options) === Object.prototype;
  if (isPlain && Object.keys(options).length === 0) return { limits: DEFAULT_LIMITS };
  return parseOptions(openOptions, options, 'options');
}
