import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { called, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc'] });
const folder = temporaryFolder();
const { oci, runc, states } = useRuntimes(folder);

const RUNTIMES = {
  ours: { call: oci, begin: [process.execPath, programFile('nacelle-oci'), '--root', states] },
  runc: { call: runc, begin: ['runc', '--root', join(folder, 'runc')] },
};

describe('exec in the foreground', () => {
  it.each(['ours', 'runc'] as const)('passes signals on to its program, with %s', async (which) => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], (config) => {
      config.root = { path: 'rootfs', readonly: false };
    });
    const { call, begin } = RUNTIMES[which];
    expect((await call('run', '--detach', '--bundle', bundle, which)).code).toBe(0);
    const [file = '', ...rest] = begin;
    const script = 'trap "exit 42" CONT; echo > /trapped; while :; do busybox usleep 10000; done';
    const exec = spawn(file, [...rest, 'exec', which, 'sh', '-c', script], { stdio: 'ignore' });
    const ended = once(exec, 'exit');
    await until('the program listens', () => existsSync(join(bundle, 'rootfs/trapped')));
    // the runtime listens a moment after its program has begun; of this signal nothing else comes
    await until('the signal has come', () => exec.exitCode !== null || (exec.kill('SIGCONT') && false));
    expect(await ended).toEqual([42, null]);
  });

  it('has its program begin when the runtime hears of signals, and not before', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], (config) => {
      config.root = { path: 'rootfs', readonly: false };
    });
    expect((await oci('run', '--detach', '--bundle', bundle, 'ours')).code).toBe(0);
    // takes its time before it listens
    const script = join(folder, 'late.mjs');
    writeFileSync(
      script,
      `import { writeFileSync } from 'node:fs';
const on = process.on;
process.on = function (name, ...rest) {
  if (name === 'SIGTERM') {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    writeFileSync(${JSON.stringify(join(bundle, 'rootfs/listens'))}, '');
  }
  return on.call(this, name, ...rest);
};
await import(${JSON.stringify(pathToFileURL(programFile('nacelle-oci')).href)});
`,
    );
    const call = await called(process.execPath, [script, '--root', states, 'exec', 'ours', 'sh', '-c', '[ -e /listens ] && exit 42']);
    expect(call).toEqual({ code: 42, stdout: '', stderr: '' });
  });
});
