import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();
const { oci } = useRuntimes(folder);

describe('flags of crun', () => {
  it('name the file in the place of config.json, which begins in the bundle', async () => {
    const bundle = makeBundle(folder, ['busybox', 'echo', 'hello']);
    renameSync(join(bundle, 'config.json'), join(bundle, 'other.json'));
    expect(await oci('run', '--config', 'other.json', '--bundle', bundle, 'one')).toEqual({ code: 0, stdout: 'hello\n', stderr: '' });
    const whole = join(bundle, 'other.json');
    expect(await oci('run', '--config', whole, '--bundle', bundle, 'two')).toEqual({ code: 0, stdout: 'hello\n', stderr: '' });
  });

  it('name the manager of groups: that which is there, and no other', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true']);
    expect(await oci('--cgroup-manager', 'cgroupfs', 'run', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
    for (const manager of ['disabled', 'other'])
      expect(await oci('--cgroup-manager', manager, 'run', '--bundle', bundle, 'one')).toMatchObject({
        ...{ code: 1, stderr: expect.stringContaining(manager) },
      });
  });

  it('delete all whose ids an expression is found in, and no others', async () => {
    for (const id of ['web-1', 'web-2', 'other'])
      expect(await oci('run', '--detach', '--bundle', makeBundle(folder, ['busybox', 'sleep', '1000']), id)).toMatchObject({ code: 0 });
    expect(await oci('delete', '--regex', '^web')).toMatchObject({ code: 1, stderr: expect.stringContaining('not stopped') });
    expect(await oci('delete', '--force', '--regex', '[')).toMatchObject({ code: 1, stderr: expect.stringContaining('-regex') });
    expect(await oci('delete', '--force', '--regex', '^web')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await oci('list', '--quiet')).toMatchObject({ stdout: 'other\n' });
  });
});
