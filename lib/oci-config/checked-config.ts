import { checkedJson } from './checked-json.js';
import { type BundleConfig, configSchema } from './config-schema.js';
import { withNumbers } from './exact-json.js';

/**
 * config.json, checked. What a system call's arguments are compared with, in linux.seccomp, has 64 bits, and stays exact. Pure.
 *
 * @param what is told of in errors
 * @param json what `exactJson` has read
 * @throws NacelleError `ERR_INVALID_OPTION`, by the path of the field
 */
export function checkedConfig(what: string, json: unknown): BundleConfig {
  return checkedJson(what, withNumbers(json, ['linux', 'seccomp']), configSchema);
}
