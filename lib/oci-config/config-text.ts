/** RLIM_INFINITY, 2^64 - 1, which no number of JavaScript's is. */
const INFINITE = 2 ** 64;

/**
 * The text of config.json. Numbers that others read as 64 bits stay exact: a bigint is written as it is, and 2^64 as the one below it, which
 * stands for no limit. Pure.
 */
export function configText(value: unknown): string {
  return `${textOf(value, '')}\n`;
}

function textOf(value: unknown, indent: string): string {
  if (typeof value === 'bigint') return String(value);
  if (value === INFINITE) return String(2n ** 64n - 1n);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const deeper = `${indent}  `;
  const isList = Array.isArray(value);
  const lines = isList
    ? value.map((item) => textOf(item, deeper))
    : Object.entries(value).flatMap(([key, part]) => (part === undefined ? [] : [`${JSON.stringify(key)}: ${textOf(part, deeper)}`]));
  const [open, close] = isList ? '[]' : '{}';
  return lines.length === 0 ? `${open}${close}` : `${open}\n${lines.map((line) => deeper + line).join(',\n')}\n${indent}${close}`;
}
