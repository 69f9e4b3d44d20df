import type { Assembler, Label } from './bpf.js';

/** The numbers from `from` up to `end`, itself not one of them, all go to one label. */
export interface Span {
  readonly from: number;
  readonly end: number;
  readonly label: Label;
}

/** How many single numbers a leaf of the tree compares at most: a call that is none of them passes all. */
const maxChain = 4;

/**
 * Emits the search for the accumulator's span among adjacent ones: a binary tree of `jge`, whose leaves find single
 * numbers by `jeq`. By `jge` a single number would take two instructions, one for each edge, and the kernel compiles
 * every instruction anew for each process that takes the filter.
 */
export function emitSearch(assembler: Assembler, spans: readonly Span[]): void {
  const chain = chainOf(spans);
  if (chain) {
    emitChain(assembler, chain);
    return;
  }
  const middle = middleOf(spans);
  const subtrees: (readonly [Label, readonly Span[]])[] = [];
  const target = (part: readonly Span[]): Label => {
    const [only] = part;
    if (part.length === 1 && only) return only.label;
    const label = assembler.label();
    subtrees.push([label, part]);
    return label;
  };
  const [yes, no] = [target(spans.slice(middle)), target(spans.slice(0, middle))];
  assembler.branch('jge', spans[middle]?.from ?? 0, yes, no);
  for (const [label, part] of subtrees) {
    assembler.place(label);
    emitSearch(assembler, part);
  }
}

/** Single numbers, and where all others go. */
interface Chain {
  readonly singles: readonly Span[];
  readonly otherwise: Label;
}

/** The spans as a chain, where few enough are left besides those of one label, and each of them is a single number. */
function chainOf(spans: readonly Span[]): Chain | undefined {
  // Between two spans of that label lies another.
  if (spans.length > 2 * maxChain + 1) return undefined;
  for (const otherwise of new Set(spans.map(({ label }) => label))) {
    const singles = spans.filter(({ label }) => label !== otherwise);
    if (singles.length <= maxChain && singles.every(isSingle)) return { singles, otherwise };
  }
  return undefined;
}

function emitChain(assembler: Assembler, { singles, otherwise }: Chain): void {
  const last = singles.length - 1;
  for (const [index, { from, label }] of singles.entries()) {
    const next = index === last ? otherwise : assembler.label();
    assembler.branch('jeq', from, label, next);
    if (index !== last) assembler.place(next);
  }
  // All numbers go one way.
  if (singles.length === 0) assembler.branch('jge', 0, otherwise, otherwise);
}

/**
 * Where to split, so that both halves have about as many numbers: most calls then take few steps. Between two wide
 * spans if there are any, whose edge takes a `jge` anyway, so that single numbers stay together.
 */
function middleOf(spans: readonly Span[]): number {
  const edges = spans.map((_, index) => index).slice(1);
  const isWide = spans.map((span) => !isSingle(span));
  const wide = edges.filter((index) => isWide[index - 1] && isWide[index]);
  const center = ((spans[0]?.from ?? 0) + (spans.at(-1)?.from ?? 0) + 1) / 2;
  const unevenness = (index: number) => Math.abs((spans[index]?.from ?? 0) - center);
  return (wide.length > 0 ? wide : edges).reduce((best, index) => (unevenness(index) < unevenness(best) ? index : best));
}

function isSingle({ from, end }: Span): boolean {
  return end === from + 1;
}
