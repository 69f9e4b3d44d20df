import { hrtime, nextTick as tick } from 'node:process';
import * as timers from 'node:timers';
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';

// Clocks and timers as they were when this module was loaded, so that a test that fakes them fakes only its own: what a program in a
// container does takes the time that it takes, and a container whose timers stand still would never end. biome.json keeps other files from
// the global ones, and from node:timers, whose functions tests replace too.

export const { setTimeout, clearTimeout, setImmediate } = timers;

/** setTimeout as a promise; rejects when its signal is aborted. */
export const delay = wait;

/** The next turn of the event loop, as a promise. */
export const nextTurn = turn;

/** process.nextTick: runs before any timer or I/O, on a stack of its own. */
export const nextTick = tick;

/** ms since the epoch. */
export const now = Date.now;

const { bigint } = hrtime;

/** Nanoseconds of CLOCK_MONOTONIC. */
export const monotonicNs = bigint;

/** Milliseconds of the clock that the shim's times are on: CLOCK_MONOTONIC. */
export function monotonicMs(): number {
  return Number(bigint()) / 1e6;
}
