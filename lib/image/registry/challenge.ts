/** One way to authenticate, as a server offers it in WWW-Authenticate (RFC 9110, section 11.3). */
export interface Challenge {
  /** In lower case: 'bearer', 'basic'. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

// token, or quoted-string with its quoted pairs
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const SCHEME = new RegExp(`[\\s,]*(${TOKEN})(?=\\s|,|$)`, 'y');
const PARAMETER = new RegExp(`[\\s,]*(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))`, 'sy');

/** The challenges of a header; several fields are joined by ', ' or given as a list. What can't be read ends the reading. */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  const text = typeof header === 'string' ? header : (header ?? []).join(', ');
  const challenges: Challenge[] = [];
  let at = 0;
  for (;;) {
    const scheme = matchAt(SCHEME, text, at);
    if (!scheme) return challenges;
    at += scheme[0].length;
    const parameters: Record<string, string> = {};
    for (let found = matchAt(PARAMETER, text, at); found; found = matchAt(PARAMETER, text, at)) {
      at += found[0].length;
      const [, name = '', quoted, plain] = found;
      parameters[name.toLowerCase()] = quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/gs, '$1');
    }
    challenges.push({ scheme: (scheme[1] ?? '').toLowerCase(), parameters });
  }
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
