import { invalidOption } from '../errors.js';
import { didYouMean } from './did-you-mean.js';

/** docker's names of the limits of setrlimit(2), with the numbers of asm-generic/resource.h (x86-64, arm64). */
const resources: ReadonlyMap<string, number> = new Map([
  ['cpu', 0],
  ['fsize', 1],
  ['data', 2],
  ['stack', 3],
  ['core', 4],
  ['rss', 5],
  ['nproc', 6],
  ['nofile', 7],
  ['memlock', 8],
  ['as', 9],
  ['locks', 10],
  ['sigpending', 11],
  ['msgqueue', 12],
  ['nice', 13],
  ['rtprio', 14],
  ['rttime', 15],
]);

/** RLIM_INFINITY, 2⁶⁴ − 1. */
export const unlimited = 0xffff_ffff_ffff_ffffn;

/** A limit for the step `rlimit`. */
export interface Rlimit {
  readonly name: string;
  readonly resource: number;
  readonly soft: bigint;
  readonly hard: bigint;
}

/** In setrlimit(2)'s units: bytes, seconds (`cpu`), µs (`rttime`), or a count. -1 and Infinity: no limit. */
export type Ulimits = Readonly<Record<string, number | { readonly soft: number; readonly hard: number }>>;

/**
 * Limits as setrlimit(2) takes them. A lone number is both limits, the soft one that holds and the hard one
 * up to which the process may raise it.
 *
 * @throws NacelleError ERR_INVALID_OPTION for an unknown name, a value that is no whole number, and soft above hard.
 */
export function resolveUlimits(ulimits: Ulimits): Rlimit[] {
  return Object.entries(ulimits).map(([name, limit]) => {
    const option = `ulimits.${name}`;
    const resource = resources.get(name);
    if (resource === undefined) throw invalidOption(option, `there is no such limit${didYouMean(name, [...resources.keys()])}`);
    const { soft, hard } = typeof limit === 'number' ? { soft: limit, hard: limit } : limit;
    const rlimit = { name, resource, soft: limitOf(option, soft), hard: limitOf(option, hard) };
    if (rlimit.soft > rlimit.hard) throw invalidOption(option, `the soft limit ${soft} is above the hard limit ${hard}`);
    return rlimit;
  });
}

function limitOf(option: string, value: number): bigint {
  if (value === -1 || value === Number.POSITIVE_INFINITY) return unlimited;
  if (!Number.isSafeInteger(value) || value < 0) throw invalidOption(option, `${value} is not a whole number, or -1 for no limit`);
  return BigInt(value);
}
