import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { securityModules } from '../../lib/host/security-modules.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { type BundleChange, makeBundle, useRuntimes } from '../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'apparmor_parser', 'runc'], securityModule: 'apparmor' });
const folder = temporaryFolder();
const { oci, runc, states } = useRuntimes(folder);

const PROFILE = 'nacelle-test-profile';
const OTHER = 'nacelle-test-other';
/** Everything but one folder. */
const policy = [PROFILE, OTHER]
  .map(
    (name) => `profile ${name} flags=(attach_disconnected) {
  file, capability, network, signal, ptrace, mount, umount, unix,
  deny /denied/** rwklx,
}`,
  )
  .join('\n');

const confined =
  (profile: string): BundleChange =>
  ({ process }) => {
    process.apparmorProfile = profile;
  };
/** What the kernel calls a program of the profile. */
const says = (profile: string): string => `${profile} (enforce)\n`;
const SHOW = ['busybox', 'cat', '/proc/self/attr/current'];

describe('a container with a profile of AppArmor', () => {
  const load = (flag: '--replace' | '--remove'): void => {
    execFileSync('apparmor_parser', ['--skip-cache', flag], { input: policy });
  };
  beforeAll(() => load('--replace'));
  afterAll(() => load('--remove'));

  it('is found in the kernel', () => {
    expect(securityModules().apparmor).toBe('apparmor/exec');
  });

  it('is confined as one of runc is, with and without new privileges', async () => {
    for (const noNewPrivileges of [true, false]) {
      const bundle = makeBundle(folder, SHOW, (config) => {
        confined(PROFILE)(config);
        config.process.noNewPrivileges = noNewPrivileges;
      });
      const [ours, theirs] = [await oci('run', '--bundle', bundle, 'ours'), await runc('run', '--bundle', bundle, 'theirs')];
      expect(ours).toEqual({ code: 0, stdout: says(PROFILE), stderr: '' });
      expect(theirs.stdout).toBe(ours.stdout);
    }
  });

  it('may not do what the profile denies', async () => {
    const denied = (change: BundleChange): string => {
      const bundle = makeBundle(folder, ['busybox', 'cat', '/denied/file'], change);
      execFileSync('mkdir', [join(bundle, 'rootfs/denied')]);
      writeFileSync(join(bundle, 'rootfs/denied/file'), 'seen\n');
      return bundle;
    };
    expect(await oci('run', '--bundle', denied(confined(PROFILE)), 'one')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Permission denied'),
    });
    expect(await oci('run', '--bundle', denied(confined('unconfined')), 'two')).toMatchObject({ code: 0, stdout: 'seen\n' });
  });

  it('has programs of exec confined alike, or by another profile', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '600'], confined(PROFILE));
    expect(await oci('run', '--detach', '--bundle', bundle, 'one')).toMatchObject({ code: 0 });
    expect(await oci('exec', 'one', ...SHOW)).toMatchObject({ code: 0, stdout: says(PROFILE) });
    expect(await oci('exec', '--apparmor', OTHER, 'one', ...SHOW)).toMatchObject({ code: 0, stdout: says(OTHER) });
    expect(await oci('exec', '--apparmor', 'nacelle-test-unknown', 'one', ...SHOW)).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('nacelle-test-unknown'),
    });
    expect(await oci('kill', 'one', 'KILL')).toMatchObject({ code: 0 });
  });

  it('has hooks of its creation unconfined, as those of runc are', async () => {
    const said = join(folder, 'said');
    const hook = { path: '/bin/sh', args: ['sh', '-c', `cat /proc/self/attr/current >${said}`] };
    const bundle = makeBundle(folder, SHOW, (config) => {
      confined(PROFILE)(config);
      config.hooks = { createContainer: [hook] };
    });
    for (const run of [oci, runc]) {
      expect(await run('run', '--bundle', bundle, 'hooked')).toMatchObject({ code: 0, stdout: says(PROFILE) });
      expect(readFileSync(said, 'utf8')).toBe('unconfined\n');
    }
  });

  it('is not made of a profile that is not loaded', async () => {
    const bundle = makeBundle(folder, SHOW, confined('nacelle-test-unknown'));
    const { code, stderr } = await oci('run', '--bundle', bundle, 'one');
    expect(code).toBe(1);
    expect(stderr).toContain('apply the AppArmor profile nacelle-test-unknown');
    expect(readdirSync(states)).toEqual([]);
  });
});
