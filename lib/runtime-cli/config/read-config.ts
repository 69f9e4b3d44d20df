import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { NacelleError } from '../../errors.js';
import { attempt } from '../../native/system-errors.js';
import { checkedConfig } from '../../oci-config/checked-config.js';
import { checkedJson } from '../../oci-config/checked-json.js';
import { type BundleConfig, type BundleProcess, processSchema } from '../../oci-config/config-schema.js';
import { exactJson, withNumbers } from '../../oci-config/exact-json.js';
import type { Field } from '../../options/option-fields.js';

/**
 * Reads the configuration of a bundle, once: what is kept of a container is what was checked.
 *
 * @returns the file checked, and as it is, with exact numbers
 * @throws SyscallError; NacelleError `ERR_INVALID_OPTION`, by the path of the field, or of a file that is no regular one
 */
export function readConfig(bundle: string, file: string): { readonly config: BundleConfig; readonly json: unknown } {
  const path = resolve(bundle, file);
  const json = exactJson(path, textOfFile(path, false));
  return { config: checkedConfig(path, json), json };
}

/**
 * Reads the process of `exec --process`.
 *
 * @param mayWait whether the file may be a pipe, such as a shell's `<(…)`: a planner that does the commands of others too waits for none
 * @throws as {@link readConfig}
 */
export function readProcess(path: string, { mayWait }: { readonly mayWait: boolean }): BundleProcess {
  return checkedFile(path, textOfFile(path, mayWait), processSchema);
}

/**
 * The text of a file.
 *
 * @param mayWait as for {@link readProcess}
 * @throws SyscallError; NacelleError `ERR_INVALID_OPTION` for what is no regular file
 */
export function textOfFile(path: string, mayWait: boolean): string {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
  return attempt(`read ${path}`, () => {
    const fd = openSync(path, O_RDONLY | O_NOCTTY | (mayWait ? 0 : O_NONBLOCK));
    try {
      const status = fstatSync(fd);
      if (!status.isFile() && !(mayWait && status.isFIFO()))
        throw new NacelleError(`${path} is no regular file`, { code: 'ERR_INVALID_OPTION' });
      return readFileSync(fd, 'utf8');
    } finally {
      closeSync(fd);
    }
  });
}

/** The text of a file as what the schema says. Pure. @throws NacelleError `ERR_INVALID_OPTION` */
export function checkedFile<Out, In>(path: string, text: string, schema: Field<Out, In>): Out {
  return checkedJson(path, withNumbers(exactJson(path, text)), schema);
}
