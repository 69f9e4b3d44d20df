import { usageError } from './config/runtime-error.js';

/**
 * What `--rootless` says, as runc reads it (strconv.ParseBool): whether groups are had only where they may be. `null`: the runtime finds it out. Pure.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`
 */
export function rootlessOf(text: string | null): boolean | null {
  if (text === null || text === '' || text.toLowerCase() === 'auto') return null;
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw usageError(`invalid value ${JSON.stringify(text)} for flag -rootless: must be true, false or auto`);
}
