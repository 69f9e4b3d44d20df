/** How many letters have to be inserted, removed or replaced to make `from` of `to` (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1];
    for (let column = 0; column < to.length; column++) {
      const replaced = (row[column] ?? 0) + (to[column] === letter ? 0 : 1);
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

/** `; did you mean NAME?` for a name that is close to one of the known, else ''. */
export function didYouMean(name: string, known: Iterable<string>): string {
  // Past a third of its letters another name is a guess, not a correction.
  let best = Math.floor(Math.min(name.length, 64) / 3) + 1;
  let found: string | null = null;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= best) continue;
    const cost = distance(name, candidate);
    if (cost < best) {
      best = cost;
      found = candidate;
    }
  }
  return found === null ? '' : `; did you mean ${found}?`;
}
