/** What Go's unicode.IsSpace says is a space, by which BuildKit cuts: JavaScript's `\s` has U+FEFF besides, and lacks U+0085. */
const SPACES = '\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const SPACE = new RegExp(`^[${SPACES}]$`, 'u');
const LEADING = new RegExp(`^[${SPACES}]+`, 'u');
const TRAILING = new RegExp(`[${SPACES}]$`, 'u');

export function isSpace(character: string): boolean {
  return SPACE.test(character);
}

export function trimStart(text: string): string {
  return text.replace(LEADING, '');
}

export function trim(text: string): string {
  let end = text.length;
  // a pattern that looks for many spaces before the end takes a time that grows by the square of their number
  while (end > 0 && TRAILING.test(text.charAt(end - 1))) end--;
  return trimStart(text.slice(0, end));
}

/** Cuts at blanks as BuildKit does between an instruction's words, which are no other spaces than these. */
export const BLANKS = /[\t\v\f\r ]+/;
