import type { Slot, Step } from '../../plan/steps.js';

// A container's networks change while it lives, and its plan, which was made before, has what is done at its next run and at its end. So in
// these places of the plan a step says: do this, or what was put here since. So it is with the links of a container that waits for its run, which may be
// made before that. Pure.

/** How many networks a container can be on: each has a place, with a number of slots and two lists of steps. */
export const MOST_PLACES = 64;

const SLOTS_OF_PLACE = 8;

/** The first slot for networks that a container joins later: those of a plan come before, those of ports that are published later after. */
export const FIRST_NETWORK_SLOT = 2544;

/** Slots for what is not of one network: filled and closed within a list, but for the socket of published ports. */
export const OWN_SLOTS = {
  namespace: FIRST_NETWORK_SLOT,
  outside: FIRST_NETWORK_SLOT + 1,
  inside: FIRST_NETWORK_SLOT + 2,
  ports: FIRST_NETWORK_SLOT + 3,
};

/** The first slot of a place. */
export function slotOf(place: number): Slot {
  return FIRST_NETWORK_SLOT + SLOTS_OF_PLACE * (place + 1);
}

/** The keys of the lists. */
export const KEYS = {
  /** Of the next run: the link of a place, then what concerns all links. */
  link: (place: number): number => place,
  limits: 100,
  ways: 101,
  names: 102,
  /** What leads its connections to what its list allows. */
  egress: 103,
  /** Of the end. */
  leave: (place: number): number => 200 + place,
  endNames: 300,
  endPorts: 301,
  /** Of a container that waits: its links, by the number of the first one's port. Numbers of links are none of those above. */
  links: (port: number): number => port,
};

/** Puts steps in the place of those that the plan has, or that were put there before. */
export function keep(key: number, steps: readonly Step[]): Step {
  return { op: 'keep_steps', host: true, key, steps };
}

/** These steps, or those that were put in their place. */
export function kept(key: number, steps: readonly Step[]): Step {
  return { op: 'run_steps', host: true, first: key, last: key, steps };
}

/** The steps that were put at a number of keys. */
export function keptFrom(first: number, last: number): Step {
  return { op: 'run_steps', host: true, first, last, steps: [] };
}
