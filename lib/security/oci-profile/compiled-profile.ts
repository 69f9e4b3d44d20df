import { createHash } from 'node:crypto';
import { invalidOption, toError } from '../../errors.js';
import { kills } from '../actions.js';
import { compileFilter, doorsOf } from '../filter.js';
import type { ProfileSubject } from './applicable-groups.js';
import type { ParsedProfile } from './parsed-profile.js';
import { Recent } from './recent.js';
import { resolveProfile } from './resolve-profile.js';
import { mayRefuseHandOver, refusedStartCalls } from './start-calls.js';

/** A filter that was made of a caller's profile. Not to be changed. */
export interface CompiledProfile {
  readonly filter: Uint8Array;
  /** A process can end by it with SIGSYS. */
  readonly kills: boolean;
  /** The profile itself kills for some calls. */
  readonly asksToKill: boolean;
  /** Names of the profile that no kernel has, as far as is known here; the first 100. */
  readonly unknownCalls: readonly string[];
  /** Calls without which no program starts, and which it never lets pass. */
  readonly refusedStartCalls: readonly string[];
  /** Its calls can't be asked for: see {@link mayRefuseHandOver}. */
  readonly mayRefuseHandOver: boolean;
}

/** Programs use one or a few profiles, for containers with a few sets of capabilities. */
const compiled = new Recent<CompiledProfile>(64);
const MOST_UNKNOWN = 100;
/** Of profiles that are kept, too: those of files. */
const keys = new WeakMap<ParsedProfile, string>();
/** That of docker has some 20 KB. */
const LONGEST_KEY = 32 * 1024;

/**
 * The filter of a profile, which is kept by all that it depends on.
 *
 * @throws NacelleError ERR_INVALID_OPTION for a profile that takes more instructions than the kernel does
 */
export function compiledProfile(profile: ParsedProfile, subject: ProfileSubject): CompiledProfile {
  const key = keys.get(profile) ?? keyOf(profile);
  keys.set(profile, key);
  const { arch, capabilities, kernel } = subject;
  return compiled.get([key, arch, capabilities, kernel].join(' '), () => compile(profile, subject));
}

function compile(profile: ParsedProfile, subject: ProfileSubject): CompiledProfile {
  const { profiles, unknownCalls } = resolveProfile(profile, subject);
  const doors = Object.values(profiles);
  const native = profiles[subject.arch];
  // Through an ABI without rules a call kills.
  const isWhole = subject.arch !== 'arm64' && doors.length === doorsOf[subject.arch].length;
  const actions = doors.flatMap(({ defaultAction, rules }) => [defaultAction, ...rules.map(({ action }) => action)]);
  try {
    return {
      filter: compileFilter(profiles),
      kills: !isWhole || actions.some(kills),
      asksToKill: actions.some((action) => action === 'kill-process' || action === 'kill-thread'),
      unknownCalls: unknownCalls.slice(0, MOST_UNKNOWN),
      refusedStartCalls: native ? refusedStartCalls(native, subject.arch) : [],
      mayRefuseHandOver: native !== undefined && mayRefuseHandOver(native),
    };
  } catch (cause) {
    throw invalidOption('seccomp', `the profile is too long: it makes ${toError(cause).message}`, cause);
  }
}

/** What a profile says, where that is not too long to be kept: the first use of `node:crypto` takes longer than a command of `nacelle-oci` may. */
function keyOf(profile: ParsedProfile): string {
  const text = JSON.stringify(profile, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part));
  return text.length <= LONGEST_KEY ? text : createHash('sha256').update(text).digest('hex');
}
