/** Milliseconds in each unit of Go's time.ParseDuration. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;
/** The largest that Go has: 2^63 - 1 ns. */
const MOST = 9_223_372_036_854;

/** Milliseconds of a duration as Go writes it: '1m30s', '1.5h', '-1s', '0'; `null` for what is none. Pure. */
export function parseGoDuration(text: string): number | null {
  const [, sign = '', rest = ''] = /^([-+]?)(.*)$/.exec(text) ?? [];
  if (rest === '0') return 0;
  if (rest === '') return null;
  let sum = 0;
  PART.lastIndex = 0;
  while (PART.lastIndex < rest.length) {
    const [, number, unit = ''] = PART.exec(rest) ?? [];
    if (number === undefined) return null;
    sum += Number(number) * (UNITS.get(unit) ?? 0);
  }
  if (sum > MOST) return null;
  return sign === '-' ? -sum : sum;
}
