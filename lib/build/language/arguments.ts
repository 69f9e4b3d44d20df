import { InstructionProblem } from './build-error.js';
import { BLANKS, isSpace, trimStart } from './spaces.js';
import { quotedWords } from './split-instruction.js';

/** What stands after an instruction's flags. */
export interface Arguments {
  readonly words: readonly string[];
  /** It was the JSON form: an array of strings. */
  readonly json: boolean;
}

const NONE: Arguments = { words: [], json: false };

/** How the arguments of each instruction are written. */
export const ARGUMENT_FORMS: ReadonlyMap<string, (rest: string, escaper: string) => Arguments> = new Map([
  ['add', jsonOrWords],
  ['arg', names],
  ['cmd', jsonOrText],
  ['copy', jsonOrWords],
  ['entrypoint', jsonOrText],
  ['env', (rest: string, escaper: string) => pairs(rest, { escaper, instruction: 'ENV' })],
  ['expose', blankSeparated],
  ['from', blankSeparated],
  ['healthcheck', health],
  ['label', (rest: string, escaper: string) => pairs(rest, { escaper, instruction: 'LABEL' })],
  ['maintainer', text],
  ['run', jsonOrText],
  ['shell', jsonOrText],
  ['stopsignal', text],
  ['user', text],
  ['volume', jsonOrWords],
  ['workdir', text],
]);

function text(rest: string): Arguments {
  return rest === '' ? NONE : { words: [rest], json: false };
}

function blankSeparated(rest: string): Arguments {
  return rest === '' ? NONE : { words: rest.split(BLANKS), json: false };
}

function names(rest: string, escaper: string): Arguments {
  return { words: quotedWords(rest, escaper), json: false };
}

/**
 * An array of strings in JSON; `null`: it isn't one, and so is the other form, which is no error.
 *
 * @throws InstructionProblem for an array with something else than strings
 */
function jsonArray(rest: string): Arguments | null {
  const json = trimStart(rest);
  if (!json.startsWith('[')) return null;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    // BuildKit too takes what is no JSON for the other form, and users rely on that: RUN [ -e /file ]
    return null;
  }
  if (!Array.isArray(value)) return null;
  const words = value.filter((word) => typeof word === 'string');
  if (words.length < value.length) throw new InstructionProblem('when using JSON array syntax, arrays must be comprised of strings only');
  return { words, json: true };
}

function jsonOrText(rest: string): Arguments {
  return jsonArray(rest) ?? text(rest);
}

function jsonOrWords(rest: string): Arguments {
  return jsonArray(rest) ?? blankSeparated(rest);
}

/** The first word is the kind, and the rest a command. */
function health(rest: string): Arguments {
  const kind = [...rest].findIndex(isSpace);
  if (rest === '') return NONE;
  const [first, command] = kind < 0 ? [rest, ''] : [[...rest].slice(0, kind).join(''), trimStart([...rest].slice(kind).join(''))];
  const { words, json } = jsonOrText(command);
  return { words: [first, ...words], json };
}

/**
 * Names and values: each pair as three words, of which the last is '=', or '' for the old form with one name, a blank and the value.
 *
 * @throws InstructionProblem
 */
function pairs(rest: string, { escaper, instruction }: { escaper: string; instruction: string }): Arguments {
  const words = quotedWords(rest, escaper);
  const [first] = words;
  if (first === undefined) return NONE;
  if (!first.includes('=')) {
    const blanks = BLANKS.exec(rest);
    if (!blanks) throw new InstructionProblem(`${instruction} must have two arguments`);
    return { words: [rest.slice(0, blanks.index), rest.slice(blanks.index + blanks[0].length), ''], json: false };
  }
  const triples = words.flatMap((word) => {
    const sign = word.indexOf('=');
    if (sign < 0) throw new InstructionProblem(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
    return [word.slice(0, sign), word.slice(sign + 1), '='];
  });
  return { words: triples, json: false };
}
