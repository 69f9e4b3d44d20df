import { invalidOption } from '../../errors.js';
import * as json from '../../options/option-fields.js';

const hidePath = json
  .string()
  .refine(
    (path) => path.startsWith('/') && !path.includes('\0') && !path.split('/').some((part) => part === '..' || part === '.'),
    "must be an absolute path without '.' and '..'",
  );
export const hostOptions = json.strictObject({}, { hide: json.array(hidePath) });

/** The option of the host's image; `undefined` for the usual list. @throws NacelleError `ERR_INVALID_OPTION`, which names the path in it */
export function hiddenPaths(options: { readonly hide?: readonly string[] | undefined }): readonly string[] | undefined {
  const taken = hostOptions.read(options);
  if (taken !== json.WRONG) return taken.hide;
  const result = hostOptions.schema().safeParse(options);
  if (result.success) return result.data.hide;
  const [issue] = result.error.issues;
  throw invalidOption(issue?.path.map(String).join('.') || 'options', issue?.message ?? 'is wrong');
}
