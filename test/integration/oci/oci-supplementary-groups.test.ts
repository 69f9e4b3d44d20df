import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { called, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'setpriv'] });
const folder = temporaryFolder();
const { oci, states } = useRuntimes(folder);

describe('the annotation run.oci.keep_original_groups', () => {
  /** Calls the runtime as root with the supplementary groups 7 and 9. */
  const grouped = (...args: string[]) => called('setpriv', ['--groups', '7,9', `${states}-nacelle-oci`, '--root', states, ...args]);

  it.each([
    ['1', '\n', '0\n'],
    ['0', '\n', '0\n'],
  ])(
    'of the value %s gives containers of root, and programs of exec, no group, for an image may have it too',
    async (value, groups, ids) => {
      // installs the front that is called with groups
      await oci('list');
      const status = ['busybox', 'awk', '/^Groups:/ { sub(/^Groups:[ \\t]*/, ""); sub(/ *$/, ""); print }', '/proc/self/status'];
      const change = (config: object): void => void Object.assign(config, { annotations: { 'run.oci.keep_original_groups': value } });
      expect(await grouped('run', '--bundle', makeBundle(folder, status, change), 'one')).toEqual({ code: 0, stdout: groups, stderr: '' });
      const sleeping = makeBundle(folder, ['busybox', 'sleep', '1000'], change);
      expect(await grouped('run', '--detach', '--bundle', sleeping, 'two')).toMatchObject({ code: 0 });
      expect(await grouped('exec', 'two', 'busybox', 'id', '-G')).toEqual({ code: 0, stdout: ids, stderr: '' });
    },
  );
});
