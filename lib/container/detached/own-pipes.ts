import { binding, closeDescriptor } from '../../native/load-addon.js';
import type { Slots } from '../../plan/plan.js';
import type { Slot } from '../../plan/steps.js';
import type { ParsedProcess } from '../../process/options/process-options.js';
import type { ChildEnds } from '../../process/streams/child-end.js';

/** The pipes of a detached program: the shim keeps our end of the one, and the log has our ends of the others. There are none with a terminal. */
export interface OwnPipes {
  readonly ends: ChildEnds;
  /** Our end of the program's stdin. */
  readonly stdin: Slot | null;
  /** Our ends of its outputs. */
  readonly outputs: readonly Slot[];
  /** Closes this process's copies. */
  close(): void;
}

/** Makes the pipes. `null` as an output: the null device. */
export function makePipes(
  { stdin, stdout, stderr, tty }: Pick<ParsedProcess, 'stdin' | 'stdout' | 'stderr' | 'tty'>,
  slots: Slots,
): OwnPipes {
  const open: number[] = [];
  const isPipe = (items: ParsedProcess['stdin']): boolean => tty === null && items.some(({ type }) => type === 'pipe');
  const close = (): void => {
    for (const fd of open.splice(0)) closeDescriptor(fd);
  };
  const make = (): readonly [number, number] => {
    const ends = binding().pipe();
    open.push(...ends);
    return ends;
  };
  try {
    const input = isPipe(stdin) ? make() : null;
    const outputs = [stdout, stderr].map((items) => (isPipe(items) ? make() : null));
    const ends = [
      input === null ? ({ type: 'null' } as const) : ({ type: 'pipe', fd: input[0] } as const),
      ...outputs.map((pipe) => (pipe === null ? ({ type: 'null' } as const) : ({ type: 'pipe', fd: pipe[1] } as const))),
    ];
    const [first, second, third] = ends;
    if (first === undefined || second === undefined || third === undefined) throw new TypeError('a program has three streams');
    return {
      ends: [first, second, third],
      stdin: input === null ? null : slots.give(input[1]),
      outputs: outputs.flatMap((pipe) => (pipe === null ? [] : [slots.give(pipe[0])])),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}
