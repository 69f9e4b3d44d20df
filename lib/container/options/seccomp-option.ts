import type { ParsedProfile } from '../../security/oci-profile/parsed-profile.js';
import { refuseUnsupported } from '../../security/oci-profile/read-profile.js';

/** What the option names; a file is read when the container is made. */
export type ParsedSeccomp = 'default' | 'unconfined' | { readonly file: string } | ParsedProfile;

/** The option `seccomp` after its check. @throws UnsupportedError for a profile that needs what can't be had */
export function parseSeccomp(given: string | ParsedProfile = 'default'): ParsedSeccomp {
  if (given === 'default' || given === 'unconfined') return given;
  return typeof given === 'string' ? { file: given } : refuseUnsupported(given);
}
