/** The numbers of a subnet's addresses that may be given to containers. */
export interface NumberRange {
  readonly first: bigint;
  readonly last: bigint;
  readonly gateway: bigint;
}

/**
 * All numbers of the range but the gateway's, each once: the next after the one given last, and from the end on from the beginning. So an
 * address is not used again at once, when others may still take it for the container that had it. Pure.
 *
 * @param before the number given last; `null` for none
 */
export function* numbersAfter(before: bigint | null, { first, last, gateway }: NumberRange): Generator<bigint, void> {
  const start = before === null || before < first || before >= last ? first : before + 1n;
  for (let number = start; number <= last; number++) if (number !== gateway) yield number;
  for (let number = first; number < start; number++) if (number !== gateway) yield number;
}
