import { afterAll, beforeAll, expect } from 'vitest';
import { securityModules } from '../../lib/host/security-modules.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { type BundleChange, makeBundle, type RuntimeCall, useRuntimes } from '../fixtures/runtime-bundle.js';
import { enforce, FILES, FORBIDDEN, KERNEL, loadPolicy, PROGRAM } from '../fixtures/selinux-policy.js';
import { temporaryFolder } from '../fixtures/temporary.js';

// As root, in the machine with systemd, which has SELinux in the place of AppArmor: `npm run test:vm -- --manager`.
useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'secilc', 'runc'], securityModule: 'selinux' });
const folder = temporaryFolder();
const { oci, runc } = useRuntimes(folder);

const labelled =
  (label: string): BundleChange =>
  (config) => {
    config.process.selinuxLabel = label;
    config.linux.mountLabel = FILES;
    // the policy labels no files of it, and runc insists
    config.mounts = config.mounts.filter((mount) => !('type' in mount && mount.type === 'mqueue'));
  };
const SHOW = ['busybox', 'cat', '/proc/self/attr/current'];
/** The places of mounts with a label, and the option that has the label: the last field has the options of the file system (proc(5)). */
const MOUNTS = ['busybox', 'awk', 'match($NF, /context=[^,]*/) { print $5, substr($NF, RSTART, RLENGTH) }', '/proc/self/mountinfo'];
/** The lines without their order: each runtime masks paths in its own. */
const sorted = ({ stdout }: RuntimeCall): string[] => stdout.split('\n').sort();
/** The kernel ends a label with a null byte. */
const plain = (text: string): string => text.replaceAll('\0', '');

describe('a container with labels of SELinux', () => {
  beforeAll(() => {
    loadPolicy(folder);
    enforce(true);
  });
  afterAll(() => enforce(false));

  it('has its program and the programs of exec labelled, as runc has them', async () => {
    expect(securityModules().selinux).toBe(true);
    const bundle = makeBundle(folder, ['busybox', 'sleep', '600'], labelled(PROGRAM));
    const said = [];
    for (const runtime of [oci, runc]) {
      expect(await runtime('run', '--detach', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
      said.push(
        plain((await runtime('exec', 'one', ...SHOW)).stdout),
        plain((await runtime('exec', 'one', 'busybox', 'cat', '/proc/1/attr/current')).stdout),
      );
      expect(await runtime('delete', '--force', 'one')).toMatchObject({ code: 0 });
    }
    expect(said).toEqual([PROGRAM, PROGRAM, PROGRAM, PROGRAM]);
  });

  it('has its label on the files of new mounts, as runc has it', async () => {
    const bundle = makeBundle(folder, MOUNTS, labelled(PROGRAM));
    const [ours, theirs] = [await oci('run', '--bundle', bundle, 'ours'), await runc('run', '--bundle', bundle, 'theirs')];
    expect(ours).toMatchObject({ code: 0, stdout: expect.stringContaining(`context=${FILES}`) });
    expect(sorted(ours)).toEqual(sorted(theirs));
  });

  it('does not run what the policy lets nobody become, nor under a label that the policy does not know', async () => {
    const run = (label: string): ReturnType<typeof oci> => oci('run', '--bundle', makeBundle(folder, SHOW, labelled(label)), 'one');
    expect(await run(FORBIDDEN)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('permission denied') });
    expect(await run('system_u:system_r:unknown_t')).toMatchObject({
      ...{ code: 1, stdout: '' },
      stderr: expect.stringContaining('set the SELinux label system_u:system_r:unknown_t'),
    });
    enforce(false);
    try {
      expect(plain((await run(FORBIDDEN)).stdout)).toBe(FORBIDDEN);
    } finally {
      enforce(true);
    }
  });

  it('has no label where none is given', async () => {
    expect(plain((await oci('run', '--bundle', makeBundle(folder, SHOW), 'one')).stdout)).toBe(KERNEL);
  });
});
