import { joinParts, type Plan } from '../plan/plan.js';

/** A plan of which the shim has the first part, and later the rest. */
export class SentPlan {
  readonly first: Plan;
  #whole: Plan;
  /** The rest, until the whole is needed: most plans end without. */
  #rest: (() => Plan) | null = null;

  constructor(first: Plan) {
    this.first = first;
    this.#whole = first;
  }

  goOnWith(rest: () => Plan): void {
    this.#rest = rest;
  }

  /** What has run when all that was sent has. */
  whole(): Plan {
    if (this.#rest !== null) this.#whole = joinParts({ first: this.first, rest: this.#rest() }, { waits: true });
    this.#rest = null;
    return this.#whole;
  }
}
