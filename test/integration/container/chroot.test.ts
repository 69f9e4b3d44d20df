import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { makeBusyboxRoot } from '../../fixtures/busybox-root.js';
import { removeGroups } from '../../fixtures/groups.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile, runNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { bundleGroups, called, makeBundle } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, containers: true, tools: ['busybox', 'unshare', 'mount', 'chroot'] });
const folder = temporaryFolder();

afterEach(() => removeGroups(...bundleGroups()));

const source = join(folder, 'source');

/** The machine's files once more, in a folder that is the root of what is called: the mount namespace has another one. One folder is a shared mount. */
function inChroot(): string[] {
  const root = join(folder, 'root');
  for (const path of [root, source]) mkdirSync(path, { recursive: true });
  const script = 'mount --bind "$1" "$1"; mount --make-shared "$1"; mount --rbind / "$0"; shift; exec chroot "$0" "$@"';
  return ['unshare', '--mount', 'sh', '-ec', script, root, source];
}

describe('a program of exec in a container that was made in a chroot', () => {
  it('has the root of the container, and not the machine’s', async () => {
    const image = join(folder, 'image');
    makeBusyboxRoot(image);
    const seen = await runNode<{ names: string[]; isShared: boolean }>('exec-root', [image, source], { through: inChroot() });
    expect(seen.names).toContain('bin');
    expect(seen.names).not.toContain('home');
    expect(seen.names).not.toContain('usr');
    // what lies outside of the chroot is made private, and nothing of the container
    expect(seen.isShared).toBe(true);
  });

  it('is refused with nacelle-oci where there is no pivot_root', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true']);
    const [command = '', ...rest] = inChroot();
    const runtime = [process.execPath, programFile('nacelle-oci'), '--root', join(folder, 'refused')];
    const call = await called(command, [...rest, ...runtime, 'run', '--no-pivot', '--bundle', bundle, 'one']);
    expect(call).toMatchObject({ code: 1, stderr: expect.stringContaining('in a chroot') });
  });

  it('has it too with nacelle-oci', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    const states = join(folder, 'states');
    const call = (...args: string[]): string => [process.execPath, programFile('nacelle-oci'), '--root', states, ...args].join(' ');
    const script = [
      `${call('run', '--detach', '--bundle', bundle, 'one')} >/dev/null 2>&1`,
      `${call('exec', 'one', 'ls', '/')} || true`,
      call('delete', '--force', 'one'),
    ];
    const [command = '', ...rest] = [...inChroot(), 'sh', '-ec', script.join('\n')];
    const { code, stdout, stderr } = await called(command, rest);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trim().split('\n').sort()).toEqual(['bin', 'dev', 'etc', 'proc', 'sys', 'tmp']);
  });
});
