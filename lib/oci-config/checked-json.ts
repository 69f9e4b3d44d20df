import type * as z from 'zod';
import { invalidOption } from '../errors.js';
import { type Field, WRONG } from '../options/option-fields.js';
import { checkOptions } from '../options/parse-options.js';

/** How many problems are told: who mends some wants to know of the next. */
const MOST = 10;

/** What a field reads of a value, or what is wrong with that: see checkOptions. Pure. */
export function checkField<Out, In>(field: Field<Out, In>, value: unknown): ReturnType<typeof checkOptions<z.ZodType<Out, In>>> {
  const taken = field.read(value);
  return taken === WRONG ? checkOptions(field.schema(), value) : { value: taken };
}

/** What JSON said as what the schema says. Pure. @param what is told of in errors @throws NacelleError `ERR_INVALID_OPTION`, by the path of the field */
export function checkedJson<Out, In>(what: string, json: unknown, field: Field<Out, In>): Out {
  const checked = checkField(field, json);
  if ('value' in checked) return checked.value;
  const [first] = checked.problems;
  const all = checked.problems.slice(0, MOST).map((problem) => `${problem.name} ${problem.text}`);
  throw invalidOption(first?.name ?? what, `${what}: ${all.join('; ')}`);
}
