import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as z from 'zod';
import { attempt } from '../../native/system-errors.js';
import { checkedConfig } from '../../oci-config/checked-config.js';
import { checkedJson } from '../../oci-config/checked-json.js';
import { type BundleConfig, type BundleProcess, processSchema } from '../../oci-config/config-schema.js';
import { exactJson, withNumbers } from '../../oci-config/exact-json.js';

/**
 * Reads config.json of a bundle, once: what is kept of a container is what was checked.
 *
 * @returns the file checked, and as it is, with exact numbers
 * @throws SyscallError; NacelleError `ERR_INVALID_OPTION`, by the path of the field
 */
export function readConfig(bundle: string): { readonly config: BundleConfig; readonly json: unknown } {
  const path = join(bundle, 'config.json');
  const json = exactJson(
    path,
    attempt(`read ${path}`, () => readFileSync(path, 'utf8')),
  );
  return { config: checkedConfig(path, json), json };
}

/** Reads the process of `exec --process`. @throws as {@link readConfig} */
export function readProcess(path: string): BundleProcess {
  return checkedFile(
    path,
    attempt(`read ${path}`, () => readFileSync(path, 'utf8')),
    processSchema,
  );
}

/** The text of a file as what the schema says. Pure. @throws NacelleError `ERR_INVALID_OPTION` */
export function checkedFile<S extends z.ZodType>(path: string, text: string, schema: S): z.output<S> {
  return checkedJson(path, withNumbers(exactJson(path, text)), schema);
}
