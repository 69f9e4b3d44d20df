/** The numbers of a list such as '0-3,7'; `null` for a range that goes down, or past what any kernel has. */
export function parseNumberList(list: string): number[] | null {
  const numbers: number[] = [];
  for (const part of list.split(',').filter((word) => word !== '')) {
    const [first = 0, last = first] = part.split('-').map(Number);
    if (last < first || last >= 65_536) return null;
    for (let number = first; number <= last; ++number) numbers.push(number);
  }
  return numbers;
}
