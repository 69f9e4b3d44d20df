import { DockerfileProblem } from '../language/build-error.js';
import type { Directive } from '../language/directives.js';
import { EXPERIMENTAL, type Finding } from './lint-rules.js';

/** Names of rules, or all of them. */
type RuleNames = 'all' | ReadonlySet<string>;

/** What a Dockerfile says about its own warnings: `# check=skip=NAME,NAME;error=true;experimental=all`. */
export interface CheckDirective {
  readonly skip: RuleNames;
  /** Rules that are looked for only where they are named. */
  readonly experimental: RuleNames;
  /** A warning fails the build. */
  readonly error: boolean;
}

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** @throws DockerfileProblem for a part that is none of the three */
export function checkDirective(directive: Directive | null): CheckDirective {
  let skip: RuleNames = new Set();
  let experimental: RuleNames = new Set();
  let error = false;
  if (directive === null) return { skip, experimental, error };
  const fail = (problem: string): DockerfileProblem =>
    new DockerfileProblem(`invalid check directive: ${problem}`, { start: directive.line, end: directive.line });
  for (const part of directive.value.split(';')) {
    const sign = part.indexOf('=');
    const [key, value] = [part.slice(0, Math.max(0, sign)).trim(), part.slice(sign + 1).trim()];
    if (key === 'skip') skip = ruleNames(value);
    else if (key === 'experimental') experimental = ruleNames(value);
    else if (key !== 'error') throw fail(`${JSON.stringify(part.trim())} is none of skip=, error= and experimental=`);
    else if (TRUE.has(value) || FALSE.has(value)) error = TRUE.has(value);
    else throw fail(`error must be true or false, not ${JSON.stringify(value)}`);
  }
  return { skip, experimental, error };
}

/** Those that the Dockerfile doesn't want to hear of are left out. */
export function isWanted({ rule }: Finding, { skip, experimental }: CheckDirective): boolean {
  return !has(skip, rule) && (!EXPERIMENTAL.has(rule) || has(experimental, rule));
}

/** A name that is no rule's is passed over: it may be that of a newer one. */
function ruleNames(value: string): RuleNames {
  return value === 'all' ? 'all' : new Set(value.split(',').map((name) => name.trim()));
}

function has(names: RuleNames, name: string): boolean {
  return names === 'all' || names.has(name);
}
