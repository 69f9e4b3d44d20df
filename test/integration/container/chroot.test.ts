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

/** The machine's files once more, in a folder that is the root of what is called: the mount namespace has another one. */
function inChroot(): string[] {
  const root = join(folder, 'root');
  mkdirSync(root, { recursive: true });
  return ['unshare', '--mount', 'sh', '-ec', 'mount --rbind / "$0"; exec chroot "$0" "$@"', root];
}

describe('a program of exec in a container that was made in a chroot', () => {
  it('has the root of the container, and not the machine’s', async () => {
    const image = join(folder, 'image');
    makeBusyboxRoot(image);
    const seen = await runNode<string[]>('exec-root', [image], { through: inChroot() });
    expect(seen).toContain('bin');
    expect(seen).not.toContain('home');
    expect(seen).not.toContain('usr');
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
