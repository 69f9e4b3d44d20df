import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseSeccomp } from '../../../../lib/container/options/seccomp-option.js';
import { systemCallFilter } from '../../../../lib/container/start/system-call-filter.js';
import { parseOptions } from '../../../../lib/options/parse-options.js';
import { profileSchema } from '../../../../lib/security/oci-profile/profile-schema.js';
import { temporaryFolder } from '../../../fixtures/temporary.js';

describe('systemCallFilter', () => {
  it('is the default list, or nothing', async () => {
    expect(await systemCallFilter('unconfined', 0n)).toEqual({ filter: null, filterKills: false, unknownCalls: null });
    expect(await systemCallFilter('default', 0n)).toMatchObject({ filterKills: process.arch === 'arm64', unknownCalls: null });
  });

  it('is the same of a profile and of a file that has it, and of the file as it is now', async () => {
    const path = join(temporaryFolder(), 'profile.json');
    const profile = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names: ['read', 'raed'], action: 'SCMP_ACT_ALLOW' }] };
    writeFileSync(path, JSON.stringify(profile));
    const parsed = parseSeccomp(parseOptions(profileSchema, profile, 'seccomp'));
    const [given, read] = [await systemCallFilter(parsed, 0n), await systemCallFilter({ file: path }, 0n)];
    expect(read).toEqual(given);
    // Without a list of other ABIs calls through those kill.
    expect(given).toMatchObject({ filterKills: true, unknownCalls: ['raed'] });

    writeFileSync(path, JSON.stringify({ ...profile, defaultAction: 'SCMP_ACT_KILL_PROCESS' }));
    expect((await systemCallFilter({ file: path }, 0n)).filter).not.toEqual(given.filter);
  });
});
