import type { ParsedProfile } from '../../security/oci-profile/parsed-profile.js';
import { refuseUnsupported } from '../../security/oci-profile/read-profile.js';

/** What the option names; a file is read when the container is made. */
export type ParsedSeccomp = ReadSeccomp | { readonly file: string };

/** The same after a file was read. */
export type ReadSeccomp = 'default' | 'unconfined' | ParsedProfile;

/** The option `seccomp` after its check. @throws UnsupportedError for a profile that needs what can't be had */
export function parseSeccomp(given: string | ParsedProfile = 'default'): ParsedSeccomp {
  if (given === 'default' || given === 'unconfined') return given;
  return typeof given === 'string' ? { file: given } : refuseUnsupported(given);
}
