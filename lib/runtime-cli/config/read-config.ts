import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as z from 'zod';
import { NacelleError, toError } from '../../errors.js';
import { attempt } from '../../native/system-errors.js';
import { checkedJson } from '../../oci-config/checked-json.js';
import { type BundleConfig, type BundleProcess, configSchema, processSchema } from '../../oci-config/config-schema.js';

/**
 * Reads config.json of a bundle, once: what is kept of a container is what was checked.
 *
 * @returns the file checked, and as it is
 * @throws SyscallError; NacelleError `ERR_INVALID_OPTION`, by the path of the field
 */
export function readConfig(bundle: string): { readonly config: BundleConfig; readonly json: unknown } {
  const path = join(bundle, 'config.json');
  const json = parsed(
    path,
    attempt(`read ${path}`, () => readFileSync(path, 'utf8')),
  );
  return { config: checkedJson(path, json, configSchema), json };
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
  return checkedJson(path, parsed(path, text), schema);
}

function parsed(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new NacelleError(`${path} is no JSON: ${toError(cause).message}`, {
      code: 'ERR_INVALID_OPTION',
      cause,
    });
  }
}
