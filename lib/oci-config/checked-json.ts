import { invalidOption } from '../errors.js';
import { checkOptions } from '../options/parse-options.js';
import { type Field, WRONG } from './json-fields.js';

/** How many problems are told: who mends some wants to know of the next. */
const MOST = 10;

/** What JSON said as what the schema says. Pure. @param what is told of in errors @throws NacelleError `ERR_INVALID_OPTION`, by the path of the field */
export function checkedJson<Out, In>(what: string, json: unknown, field: Field<Out, In>): Out {
  const taken = field.read(json);
  if (taken !== WRONG) return taken;
  const checked = checkOptions(field.schema(), json);
  if ('value' in checked) return checked.value;
  const [first] = checked.problems;
  const all = checked.problems.slice(0, MOST).map((problem) => `${problem.name} ${problem.text}`);
  throw invalidOption(first?.name ?? what, `${what}: ${all.join('; ')}`);
}
