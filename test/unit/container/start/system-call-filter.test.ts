import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseSeccomp } from '../../../../lib/container/options/seccomp-option.js';
import { systemCallFilter } from '../../../../lib/container/start/system-call-filter.js';
import { parseOptions } from '../../../../lib/options/parse-options.js';
import { profileField } from '../../../../lib/security/oci-profile/profile-field.js';
import { temporaryFolder } from '../../../fixtures/temporary.js';

const silent = { capabilities: 0n, told: false };
const start = ['prctl', 'poll', 'ppoll', 'sendmsg', 'close_range', 'execve'];

describe('systemCallFilter', () => {
  it('is the default list, or nothing', async () => {
    expect(await systemCallFilter('unconfined', silent)).toMatchObject({
      filter: null,
      denials: null,
      filterKills: false,
      unknownCalls: null,
    });
    expect(await systemCallFilter('default', silent)).toMatchObject({ filterKills: process.arch === 'arm64', unknownCalls: null });
  });

  it('is the same of a profile and of a file that has it, and of the file as it is now', async () => {
    const path = join(temporaryFolder(), 'profile.json');
    const names = ['read', 'raed', ...start];
    const profile = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names, action: 'SCMP_ACT_ALLOW' }] };
    writeFileSync(path, JSON.stringify(profile));
    const parsed = parseSeccomp(parseOptions(profileField.schema(), profile, 'seccomp'));
    const [given, read] = [await systemCallFilter(parsed, silent), await systemCallFilter({ file: path }, silent)];
    expect(read).toEqual(given);
    // what a bundle is written of
    expect(given.seccomp).toBe(parsed);
    // Without a list of other ABIs calls through those kill.
    expect(given).toMatchObject({ filterKills: true, unknownCalls: ['raed'] });

    writeFileSync(path, JSON.stringify({ ...profile, defaultAction: 'SCMP_ACT_KILL_PROCESS' }));
    expect((await systemCallFilter({ file: path }, silent)).filter).not.toEqual(given.filter);
  });

  const filterOf = (profile: unknown) => systemCallFilter(parseSeccomp(parseOptions(profileField.schema(), profile, 'seccomp')), silent);
  const allow = (names: readonly string[], more: object = {}) => ({ names, action: 'SCMP_ACT_ALLOW', ...more });

  it('asks a process beside the program where somebody is told, or the profile kills', async () => {
    const denials = async (seccomp: Parameters<typeof systemCallFilter>[0], told: boolean) =>
      (await systemCallFilter(seccomp, { capabilities: 0n, told })).denials;
    const profile = (defaultAction: string) => parseOptions(profileField.schema(), { defaultAction, syscalls: [allow(start)] }, 'seccomp');
    expect([await denials('default', false), await denials('default', true)]).toEqual([null, { told: true }]);
    expect([await denials(profile('SCMP_ACT_ERRNO'), false), await denials(profile('SCMP_ACT_ERRNO'), true)]).toEqual([
      null,
      { told: true },
    ]);
    for (const kill of ['SCMP_ACT_KILL', 'SCMP_ACT_KILL_PROCESS']) expect(await denials(profile(kill), false)).toEqual({ told: false });
    expect(await denials(profile('SCMP_ACT_NOTIFY'), true)).toEqual({ told: true });
    await expect(denials(profile('SCMP_ACT_NOTIFY'), false)).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('onDenied'),
    });
  });

  it.each<[string, object, RegExp]>([
    ['allows nothing', { defaultAction: 'SCMP_ACT_KILL', syscalls: [] }, /refuses prctl, p?poll, sendmsg, close_range, execve:/],
    ['lacks a call', { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [allow(start.filter((name) => name !== 'execve'))] }, /refuses execve:/],
    [
      'refuses close_range as no older profile does',
      { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['close_range'], action: 'SCMP_ACT_ERRNO', errnoRet: 22 }] },
      /refuses close_range:/,
    ],
    ['refuses a call', { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['execve'], action: 'SCMP_ACT_TRAP' }] }, /refuses execve:/],
    [
      'has a call traced',
      { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['execve'], action: 'SCMP_ACT_TRACE' }] },
      /refuses execve:/,
    ],
  ])('is none where the profile %s that starts a program', async (_, profile, message) => {
    await expect(filterOf(profile)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(message) }),
    );
  });

  it.each<[string, object]>([
    [
      'some arguments',
      { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [allow(start, { args: [{ index: 0, op: 'SCMP_CMP_NE', value: 99 }] })] },
    ],
    [
      'all but some',
      {
        defaultAction: 'SCMP_ACT_ALLOW',
        // sendmsg hands over who answers, whatever its arguments are
        syscalls: [
          {
            names: start.filter((name) => name !== 'sendmsg'),
            action: 'SCMP_ACT_KILL',
            args: [{ index: 0, op: 'SCMP_CMP_EQ', value: 99 }],
          },
        ],
      },
    ],
    ['the log', { defaultAction: 'SCMP_ACT_LOG' }],
    [
      'a list that is older than close_range',
      { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [allow(start.filter((name) => name !== 'close_range'))] },
    ],
    [
      'a list that is older than close_range, with another errno',
      { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 38, syscalls: [allow(start.filter((name) => name !== 'close_range'))] },
    ],
  ])('may let those calls pass by %s', async (_, profile) => {
    expect((await filterOf(profile)).filter).not.toBeNull();
  });
});
