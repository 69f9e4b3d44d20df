import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { noteLoading } from '../../fixtures/loaded-by.js';
import { requires } from '../../fixtures/requires.js';
import { type BundleChange, called, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();
const { oci, states } = useRuntimes(folder);
const COMMAND = fileURLToPath(new URL('../../../dist/nacelle-oci.cjs', import.meta.url));

/** Which modules of Node's own a command loads, and which files it opens by Node. */
async function loadedBy(...args: readonly string[]): Promise<readonly string[]> {
  const { nodeOptions, loaded } = noteLoading(folder);
  expect(await called(process.execPath, [...nodeOptions, COMMAND, '--root', states, ...args])).toMatchObject({ code: 0 });
  return loaded();
}

/** As engines do, with every kind of field that the spec has. */
const filtered: BundleChange = ({ linux }) => {
  linux.seccomp = {
    ...{ defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_AARCH64'], flags: ['SECCOMP_FILTER_FLAG_LOG'] },
    syscalls: [
      { names: ['keyctl', 'of_a_later_kernel'], action: 'SCMP_ACT_ALLOW' },
      { names: ['ptrace'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 },
      { names: ['socket'], action: 'SCMP_ACT_ERRNO', args: [{ index: 0, value: 40, valueTwo: 0, op: 'SCMP_CMP_EQ' }] },
    ],
  };
};

describe('commands that start a Node for themselves', () => {
  it('load none of its larger modules, and nothing to say what is wrong in a config.json', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true'], filtered);
    const waiting = makeBundle(folder, ['busybox', 'sleep', '1000'], filtered);
    const larger = ['net', 'stream', 'fs/promises', 'child_process', 'worker_threads'].map((name) => `NativeModule ${name}`);
    const loaded = [
      ...(await loadedBy('run', '--bundle', bundle, 'ends')),
      ...(await loadedBy('create', '--bundle', waiting, 'stays')),
      ...(await oci('start', 'stays').then(() => loadedBy('exec', 'stays', 'busybox', 'true'))),
      ...(await loadedBy('update', '--pids-limit', '30', '--cpu-share', '512', 'stays')),
    ];
    expect(loaded).toContain('NativeModule fs');
    expect(loaded.filter((name) => larger.includes(name))).toEqual([]);
    expect(loaded).toContain(join(dirname(COMMAND), 'core.cjs'));
    expect(loaded).not.toContain(join(dirname(COMMAND), 'zod.cjs'));
  });
});
