import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'python3'] });
const folder = temporaryFolder();
const { oci } = useRuntimes(folder);
const SCRIPT = fileURLToPath(new URL('../../fixtures/programs/pidfd-socket.py', import.meta.url));

/** Calls the runtime with a socket for a pidfd. @returns what came there */
async function sent(name: string, call: (...flags: string[]) => Promise<{ readonly code: number | null; readonly stderr: string }>) {
  const socket = join(folder, `${name}.sock`);
  const listener = spawn('python3', [SCRIPT, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(listener, 'exit');
  try {
    const lines = createInterface(listener.stdout)[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe('ready');
    expect(await call('--pidfd-socket', socket)).toMatchObject({ code: 0, stderr: '' });
    return JSON.parse(String((await lines.next()).value));
  } finally {
    listener.kill('SIGKILL');
    await ended;
  }
}

describe('--pidfd-socket', () => {
  it('gets the process of a container, and that of exec', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    const file = join(folder, 'pid');
    const pid = () => Number(readFileSync(file, 'utf8'));
    const made = await sent('create', (...flags) => oci('create', '--bundle', bundle, '--pid-file', file, ...flags, 'one'));
    expect(made).toEqual({ name: 'standard', pid: pid() });
    expect((await oci('start', 'one')).code).toBe(0);
    const program = ['busybox', 'sleep', '1000'];
    const joined = await sent('exec', (...flags) => oci('exec', '--detach', '--pid-file', file, ...flags, 'one', ...program));
    expect(joined).toEqual({ name: 'setns', pid: pid() });
  });

  it('that nobody listens at is an error, and nothing is left', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    const nobody = join(folder, 'nobody.sock');
    expect(await oci('create', '--bundle', bundle, '--pidfd-socket', nobody, 'one')).toMatchObject({
      ...{ code: 1, stderr: expect.stringMatching(/send the process to .*nobody\.sock: ENOENT/) },
    });
    expect((await oci('state', 'one')).stderr).toContain('does not exist');
  });
});
