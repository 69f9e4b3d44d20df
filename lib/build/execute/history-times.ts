import type { History } from './stage-config.js';

/**
 * The history with a time in each entry, as BuildKit fills it: an entry that has none, as it made no layer, gets that of the layer before, and
 * the first ones that of the first new layer. So what follows from the same layers alone has the same bytes whenever it is built.
 *
 * @param fallback where no entry has a time; ISO 8601
 */
export function withTimes(history: readonly History[], fallback: string): (History & { readonly created: string })[] {
  const times = history.map(({ created }) => (typeof created === 'string' ? created : null));
  const firstWithout = times.indexOf(null);
  const isTime = (time: string | null): time is string => time !== null;
  const after = times.slice(firstWithout === -1 ? times.length : firstWithout).find(isTime);
  let last = after ?? times.findLast(isTime) ?? fallback;
  let began = false;
  return history.map((entry, index) => {
    const own = times[index] ?? null;
    // before the first entry without a time there is nothing to fill
    if (own === null) began = true;
    else if (began) last = own;
    return { ...entry, created: own ?? last };
  });
}
