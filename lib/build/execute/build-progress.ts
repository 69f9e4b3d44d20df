import type { BuildEvent } from './build-options.js';

/** What is told of a build, whose stages go on side by side: steps are numbered as they begin. */
export class BuildProgress {
  readonly #listener: ((event: BuildEvent) => void) | undefined;
  #number = 0;
  #total = 0;

  constructor(listener: ((event: BuildEvent) => void) | undefined) {
    this.#listener = listener;
  }

  /** So many more steps are to be carried out, as is known by now. */
  add(steps: number): void {
    this.#total += steps;
  }

  /** @returns the step's number */
  begin(step: { readonly stage: string; readonly instruction: string; readonly line: number }): number {
    const number = ++this.#number;
    this.tell({ type: 'step', ...step, number, of: this.#total });
    return number;
  }

  tell(event: BuildEvent): void {
    this.#listener?.(event);
  }
}
