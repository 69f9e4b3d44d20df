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
const digests = new WeakMap<ParsedProfile, string>();

/**
 * The filter of a profile, which is kept by the digest of all that it depends on.
 *
 * @throws NacelleError ERR_INVALID_OPTION for a profile that takes more instructions than the kernel does
 */
export function compiledProfile(profile: ParsedProfile, subject: ProfileSubject): CompiledProfile {
  const digest = digests.get(profile) ?? digestOf(profile);
  digests.set(profile, digest);
  const { arch, capabilities, kernel } = subject;
  return compiled.get([digest, arch, capabilities, kernel].join(' '), () => compile(profile, subject));
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

function digestOf(profile: ParsedProfile): string {
  const text = JSON.stringify(profile, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part));
  return createHash('sha256').update(text).digest('hex');
}
