import { returnValue } from '../../lib/security/actions.js';
import { applicableGroups, type ProfileSubject } from '../../lib/security/oci-profile/applicable-groups.js';
import type { ParsedGroup, ParsedProfile } from '../../lib/security/oci-profile/parsed-profile.js';
import { Oracle, type OracleRule } from '../../test/unit/security/oracle.js';
import { NotHere } from '../case.js';

/** The filter of a profile for a container, as runc has libseccomp make it. `level`: SCMP_FLTATR_CTL_OPTIMIZE. */
export function byLibseccomp(folder: string, profile: ParsedProfile, subject: ProfileSubject & { readonly level: 1 | 2 }): Uint8Array {
  const { defaultAction } = profile;
  const groups = applicableGroups(profile.groups, subject).filter(({ action }) => returnValue(action) !== returnValue(defaultAction));
  const filter = oracleIn(folder).filter(defaultAction, ['x86_64', 'x86', 'x32'], groups.flatMap(rulesOf), subject.level);
  if (filter === null) throw new Error('libseccomp refuses the profile');
  return filter;
}

function oracleIn(folder: string): Oracle {
  try {
    return new Oracle(folder);
  } catch (error) {
    throw new NotHere(`libseccomp's headers or gcc are missing: ${String(error)}`);
  }
}

/** Tests of one argument are rules of their own, as in runc. */
function rulesOf({ names, action, args }: ParsedGroup): OracleRule[] {
  const isRepeated = new Set(args.map(({ index }) => index)).size < args.length;
  const alternatives = isRepeated ? args.map((one) => [one]) : [args];
  return alternatives.flatMap((tests) =>
    names.map((name) => ({
      name,
      action,
      args: tests.map(({ index, op, value, mask }) =>
        op === 'MASKED_EQ' ? { index, op, value: mask, valueTwo: value } : { index, op, value },
      ),
    })),
  );
}
