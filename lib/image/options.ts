import * as z from 'zod';
import { invalidOption } from '../errors.js';
import type { ProgressListener } from '../plan/progress.js';

export interface LoadOptions {
  onProgress?: ProgressListener;
  /** Ends it by the signal's reason. */
  cancelSignal?: AbortSignal;
}

const listener = z.custom<ProgressListener>((value) => typeof value === 'function', 'must be a function');

export const loadOptions = z.strictObject({ onProgress: listener.optional(), cancelSignal: z.instanceof(AbortSignal).optional() });

export const saveOptions = z.strictObject({ format: z.enum(['oci', 'docker']).default('oci') });

/** @throws NacelleError `ERR_INVALID_OPTION`, naming the first option that is wrong */
export function parseOptions<T>(schema: z.ZodType<T>, options: unknown): T {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const name = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path.map(String).join('.');
  throw invalidOption(name || 'options', issue?.message ?? 'is wrong', result.error);
}
