import { release } from 'node:os';
import { arch } from 'node:process';
import { invalidOption, UnsupportedError } from '../../errors.js';
import type { CapabilityMask } from '../../plan/capability-names.js';
import { defaultProfile } from '../../security/default-profile.js';
import type { Architecture } from '../../security/filter.js';
import { compiledProfile } from '../../security/oci-profile/compiled-profile.js';
import { readProfile } from '../../security/oci-profile/read-profile.js';
import { canKill, compileDefault } from '../../security/seccomp.js';
import type { ParsedSeccomp } from '../options/seccomp-option.js';

/** The system call filter of a container's programs. */
export interface SystemCallFilter {
  /** struct sock_filter[], or `null` for none. */
  readonly filter: Uint8Array | null;
  /** The filter has an action that ends a process by SIGSYS. */
  readonly filterKills: boolean;
  /** Names of the caller's profile that no kernel has; `null` where the filter is of no such profile. */
  readonly unknownCalls: readonly string[] | null;
}

/**
 * Compiles the option `seccomp` for this machine and a container with these capabilities, and reads the file where it is one.
 *
 * @throws NacelleError ERR_INVALID_OPTION for a file that is no profile, and a profile under which no program starts; UnsupportedError
 */
export async function systemCallFilter(seccomp: ParsedSeccomp, capabilities: CapabilityMask): Promise<SystemCallFilter> {
  if (seccomp === 'unconfined') return { filter: null, filterKills: false, unknownCalls: null };
  const subject = { arch: architecture(), capabilities };
  if (seccomp === 'default')
    return { filter: compileDefault(subject), filterKills: canKill(defaultProfile, subject.arch), unknownCalls: null };
  const profile = 'file' in seccomp ? await readProfile(seccomp.file) : seccomp;
  const { filter, kills, unknownCalls, refusedStartCalls } = compiledProfile(profile, { ...subject, kernel: release() });
  if (refusedStartCalls.length > 0)
    throw invalidOption(
      'seccomp',
      `the profile refuses ${refusedStartCalls.join(', ')}: it is loaded before the program, which starts by that`,
    );
  return { filter, filterKills: kills, unknownCalls };
}

function architecture(): Architecture {
  if (arch === 'x64') return 'x86_64';
  if (arch === 'arm64') return 'arm64';
  throw new UnsupportedError('seccomp', `there is no table of system calls for ${arch}`, "Run with seccomp: 'unconfined'.");
}
