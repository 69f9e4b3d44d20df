import { absolutePath, word } from '../../options/common-fields.js';
import { limitFields } from '../../options/limit-fields.js';
import * as json from '../../options/option-fields.js';
import { processFields, terminalFields } from '../../process/options/process-fields.js';
import { containerFields } from './container-fields.js';
import type { CheckedRun } from './container-schema.js';
import { checkContradictions } from './contradictions.js';

type Reads<T> = { readonly read: (value: unknown) => T | typeof json.WRONG };

/** What is read without zod, in the order of the schema. Of the last ones it is the usual form alone. */
const fields: { readonly [name in keyof CheckedRun]?: Reads<CheckedRun[name]> } = {
  ...limitFields,
  ...processFields,
  ...terminalFields,
  ...containerFields,
  image: word,
  rootfs: absolutePath,
  userns: json.oneOf(['host', 'auto', 'keep-id']),
  network: json.oneOf(['none', 'host', 'pasta']),
  seccomp: word,
  isolation: json.oneOf(['namespaces', 'landlock']),
};
const known = Object.entries(fields);

/** RunOptions that are right and of which none is unusual, read without zod; else `null`: the schema looks at them, and says what is wrong. */
export function readUsual(value: unknown): CheckedRun | null {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return null;
  const given: Readonly<Record<string, unknown>> = { ...value };
  if (!Object.keys(given).every((name) => Object.hasOwn(fields, name))) return null;
  const taken: Record<string, unknown> = {};
  for (const [name, field] of known) {
    if (!Object.hasOwn(given, name)) continue;
    const part = given[name] === undefined ? undefined : field.read(given[name]);
    if (part === json.WRONG) return null;
    taken[name] = part;
  }
  // each name has what its field reads
  const options: CheckedRun = taken;
  let isRight = true;
  checkContradictions(options, {
    addIssue: () => {
      isRight = false;
    },
  });
  return isRight ? options : null;
}
