/** A file of ranges that users own, subuid(5) or subgid(5). */
export interface RangeFile {
  readonly path: string;
  readonly text: string;
}

export interface IdRange {
  readonly start: number;
  readonly count: number;
}

/** A line of such a file. `range` is `null` for one that is none. */
export interface IdLine {
  readonly range: (IdRange & { readonly owner: string }) | null;
  readonly text: string;
  /** From 1. */
  readonly number: number;
}

/** The lines, without comments and empty ones. */
export function idLines({ text }: RangeFile): IdLine[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const [, owner, start, count] = /^([^:]+):(\d{1,10}):(\d{1,10})$/.exec(line.trim()) ?? [];
    const range = owner === undefined ? null : { owner, start: Number(start), count: Number(count) };
    const isRange = range !== null && range.start > 0 && range.count > 0 && range.start + range.count < 2 ** 32;
    return [{ range: isRange ? range : null, text: line, number: index + 1 }];
  });
}

/**
 * The ranges of one owner, by any of its names, in the order of the file.
 *
 * @param refuse makes the error for a line of that owner that can't be understood
 */
export function rangesOf(owners: readonly string[], file: RangeFile, refuse: (reason: string, fix: string) => Error): IdRange[] {
  return idLines(file).flatMap(({ range, text, number }) => {
    if (range !== null) return owners.includes(range.owner) ? [range] : [];
    if (!owners.some((owner) => text.startsWith(`${owner}:`))) return [];
    throw refuse(`${file.path}, line ${number}, is no range: ${JSON.stringify(text)}`, 'It must be name:start:count.');
  });
}
