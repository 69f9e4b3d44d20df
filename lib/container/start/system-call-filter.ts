import { release } from 'node:os';
import { invalidOption, UnsupportedError } from '../../errors.js';
import type { CapabilityMask } from '../../plan/capability-names.js';
import { defaultProfile } from '../../security/default-profile.js';
import { compiledProfile } from '../../security/oci-profile/compiled-profile.js';
import { readProfile } from '../../security/oci-profile/read-profile.js';
import { ownArchitecture } from '../../security/own-architecture.js';
import { canKill, compileDefault } from '../../security/seccomp.js';
import type { ParsedSeccomp, ReadSeccomp } from '../options/seccomp-option.js';

/** The system call filter of a container's programs. */
export interface SystemCallFilter {
  /** What it was made of. A file may say something else later. */
  readonly seccomp: ReadSeccomp;
  /** struct sock_filter[], or `null` for none. */
  readonly filter: Uint8Array | null;
  /** SECCOMP_FILTER_FLAG_* that it is loaded with. */
  readonly filterFlags: number;
  /** A process beside the program answers its kills, and with `told` its refusals; `null`: the kernel does. */
  readonly denials: { readonly told: boolean } | null;
  /** The filter has an action that ends a process by SIGSYS. */
  readonly filterKills: boolean;
  /** Names of the caller's profile that no kernel has; `null` where the filter is of no such profile. */
  readonly unknownCalls: readonly string[] | null;
}

const NONE: Omit<SystemCallFilter, 'seccomp'> = { filter: null, filterFlags: 0, denials: null, filterKills: false, unknownCalls: null };

/**
 * Compiles the option `seccomp` for this machine and a container with these capabilities, and reads the file where it is one.
 *
 * @param told somebody hears of refused calls
 * @throws NacelleError ERR_INVALID_OPTION for a file that is no profile, and a profile under which no program starts; UnsupportedError
 */
export async function systemCallFilter(
  seccomp: ParsedSeccomp,
  { capabilities, told }: { readonly capabilities: CapabilityMask; readonly told: boolean },
): Promise<SystemCallFilter> {
  if (seccomp === 'unconfined') return { ...NONE, seccomp };
  const subject = { arch: ownArchitecture(), capabilities };
  if (seccomp === 'default') {
    const filterKills = canKill(defaultProfile, subject.arch);
    return { ...NONE, seccomp, filter: compileDefault(subject), denials: told ? { told } : null, filterKills };
  }
  const profile = 'file' in seccomp ? await readProfile(seccomp.file) : seccomp;
  if (profile.notifies && !told)
    throw new UnsupportedError(
      'SCMP_ACT_NOTIFY of a seccomp profile',
      'nobody hears of the calls',
      "Give 'onDenied': they are refused, and told.",
    );
  const compiled = compiledProfile(profile, { ...subject, kernel: release() });
  const { filter, kills, asksToKill, unknownCalls, refusedStartCalls, mayRefuseHandOver } = compiled;
  if (refusedStartCalls.length > 0)
    throw invalidOption(
      'seccomp',
      `the profile refuses ${refusedStartCalls.join(', ')}: it is loaded before the program, which starts by that`,
    );
  // the kernel does not tell for which call it kills
  const denials = told || asksToKill ? { told } : null;
  if (denials !== null && mayRefuseHandOver)
    throw new UnsupportedError(
      told ? 'onDenied' : 'a seccomp profile that kills',
      'the profile allows sendmsg for some arguments alone, and by that call the program hands over who answers its calls',
      'Allow sendmsg, whatever its arguments are.',
    );
  return { seccomp: profile, filter, filterFlags: profile.flags, denials, filterKills: kills, unknownCalls };
}
