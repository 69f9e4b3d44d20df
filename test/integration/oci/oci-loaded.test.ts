import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { called, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();
const { oci, states } = useRuntimes(folder);
const COMMAND = fileURLToPath(new URL('../../../dist/nacelle-oci.cjs', import.meta.url));

/** Which modules of Node's own a command loads, and which files it opens by Node. */
async function loadedBy(...args: readonly string[]): Promise<readonly string[]> {
  const [preload, list] = [join(folder, 'preload.cjs'), join(folder, 'loaded')];
  const code = `const fs = require('node:fs');
    const { openSync } = fs;
    const opened = [];
    fs.openSync = (file, ...rest) => (opened.push(file), openSync(file, ...rest));
    process.on('exit', () => fs.writeFileSync(${JSON.stringify(list)}, [...process.moduleLoadList, ...opened].join('\\n')));`;
  writeFileSync(preload, code);
  expect(await called(process.execPath, ['--require', preload, COMMAND, '--root', states, ...args])).toMatchObject({ code: 0 });
  return readFileSync(list, 'utf8').split('\n');
}

describe('commands that start a Node for themselves', () => {
  it('load none of its larger modules, and nothing to say what is wrong in a config.json', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true']);
    const waiting = makeBundle(folder, ['busybox', 'sleep', '1000']);
    const larger = ['net', 'stream', 'fs/promises', 'child_process', 'worker_threads'].map((name) => `NativeModule ${name}`);
    const loaded = [
      ...(await loadedBy('run', '--bundle', bundle, 'ends')),
      ...(await loadedBy('create', '--bundle', waiting, 'stays')),
      ...(await oci('start', 'stays').then(() => loadedBy('exec', 'stays', 'busybox', 'true'))),
    ];
    expect(loaded).toContain('NativeModule fs');
    expect(loaded.filter((name) => larger.includes(name))).toEqual([]);
    expect(loaded).toContain(join(dirname(COMMAND), 'core.cjs'));
    expect(loaded).not.toContain(join(dirname(COMMAND), 'zod.cjs'));
  });
});
