import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { consoleSocketAt } from '../../fixtures/console-socket.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc', 'python3'] });
const folder = temporaryFolder();
const { oci, states } = useRuntimes(folder);

/** Where each of the two runtimes begins. */
const RUNTIMES = {
  ours: [process.execPath, programFile('nacelle-oci'), '--root', states],
  runc: ['runc', '--root', join(folder, 'runc')],
};

/** Calls a runtime with descriptors from 3 on, and waits for its end. @returns its status and what it printed */
async function withDescriptors(
  runtime: readonly string[],
  args: readonly string[],
  descriptors: readonly number[],
  before: readonly string[] = [],
) {
  const output = join(folder, 'output');
  const fds = [openSync(output, 'w'), openSync(`${output}-error`, 'w')];
  try {
    const [file = '', ...rest] = [...before, ...runtime, ...args];
    const child: ChildProcess = spawn(file, rest, { stdio: ['ignore', fds[0], fds[1], ...descriptors] });
    const [code]: unknown[] = await once(child, 'exit');
    return { code, stdout: readFileSync(output, 'utf8'), stderr: readFileSync(`${output}-error`, 'utf8') };
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/** Files of one line each, opened, while the function runs. */
async function withFiles<T>(count: number, use: (descriptors: number[]) => Promise<T>): Promise<T> {
  const opened = Array.from({ length: count }, (_, index) => {
    const path = join(folder, `given-${index}`);
    writeFileSync(path, `file ${index}\n`);
    return openSync(path, 'r');
  });
  try {
    return await use(opened);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/** What a program has open, without the descriptor of the listing itself; then what is in 3 and 4. */
const SHOW =
  'for f in /proc/self/fd/*; do busybox readlink $f > /dev/null && echo "fd $(busybox basename $f)"; done; cat <&3; cat <&4; echo "$LISTEN_FDS $LISTEN_PID"';

/** What {@link SHOW} prints, without the standard streams and what the shell has for itself. */
const shown = (stdout: string) => stdout.split('\n').filter((line) => !/^fd (?:[012]|1\d)$/.test(line));

describe('descriptors', () => {
  it.each(['ours', 'runc'] as const)('of --preserve-fds and socket activation reach the program alone, with %s', async (which) => {
    const bundle = makeBundle(folder, ['sh', '-c', SHOW]);
    const run = (id: string, args: readonly string[], before: readonly string[] = []) =>
      withFiles(2, (files) => withDescriptors(RUNTIMES[which], ['run', '--bundle', bundle, ...args, id], files, before));
    const preserved = await run('one', ['--preserve-fds', '2']);
    expect([preserved.stderr, shown(preserved.stdout)]).toEqual(['', ['fd 3', 'fd 4', 'file 0', 'file 1', ' ', '']]);
    // whoever starts a service sets the number of the process that it becomes
    const listening = ['sh', '-c', 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', 'sh'];
    const activated = await run('two', ['--preserve-fds', '1'], listening);
    expect([activated.stderr, shown(activated.stdout)]).toEqual(['', ['fd 3', 'fd 4', 'file 0', 'file 1', '1 1', '']]);
    // variables that are another process's say nothing
    const others = await run('three', ['--preserve-fds', '2'], ['env', 'LISTEN_PID=1', 'LISTEN_FDS=2']);
    expect(shown(others.stdout).at(-2)).toBe(' ');
  });

  it('of --preserve-fds reach a program of `exec`, detached and not', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    await oci('run', '--detach', '--bundle', bundle, 'one');
    const exec = (...flags: string[]) =>
      withFiles(30, (files) =>
        withDescriptors(RUNTIMES.ours, ['exec', '--preserve-fds', '30', ...flags, 'one', 'sh', '-c', 'cat <&3; cat <&9'], files),
      );
    expect(await exec()).toEqual({ code: 0, stdout: 'file 0\nfile 6\n', stderr: '' });
    expect(await exec('--detach')).toMatchObject({ code: 0, stderr: '' });
    await until('the program has written', () => readFileSync(join(folder, 'output'), 'utf8') === 'file 0\nfile 6\n');
  });

  it('that are not open are passed over, and nothing else is in their place', async () => {
    const show = SHOW.replace('cat <&4; ', '');
    const bundle = makeBundle(folder, ['sh', '-c', show]);
    // Node has its own at 4 then, and maybe at numbers after 5
    const with4Closed = ['sh', '-c', 'exec 4<&-; exec "$@"', 'sh'];
    const given = { run: ['--bundle', bundle, 'one'], exec: ['two', 'sh', '-c', show] };
    await oci('run', '--detach', '--bundle', makeBundle(folder, ['busybox', 'sleep', '1000']), 'two');
    for (const [command, words] of Object.entries(given)) {
      const call = await withFiles(3, (files) =>
        withDescriptors(RUNTIMES.ours, [command, '--preserve-fds', '60', ...words], files, with4Closed),
      );
      expect([call.code, call.stderr, shown(call.stdout)]).toEqual([0, '', ['fd 3', 'file 0', ' ', '']]);
    }
  });

  it('of socket activation are those of variables without a process, as with crun, though they are not open', async () => {
    const bundle = makeBundle(folder, ['sh', '-c', 'echo "$LISTEN_FDS $LISTEN_PID"']);
    const call = await withDescriptors(RUNTIMES.ours, ['run', '--bundle', bundle, 'one'], [], ['env', '-u', 'LISTEN_PID', 'LISTEN_FDS=1']);
    expect(call).toEqual({ code: 0, stdout: '1 1\n', stderr: '' });
  });

  it('are counted by a number', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true']);
    expect(await oci('run', '--bundle', bundle, '--preserve-fds', 'many', 'one')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('preserve-fds'),
    });
  });
});

describe('a terminal', () => {
  it('is sent to the console socket, with its size, and is the program’s', async () => {
    const bundle = makeBundle(
      folder,
      ['sh', '-c', 'read -r line; echo "got $line"; busybox stty size; echo > /dev/console; test -t 2 && echo ends'],
      (config) => Object.assign(config.process, { terminal: true, consoleSize: { height: 33, width: 99 } }),
    );
    const socket = join(folder, 'console.sock');
    const sent = await consoleSocketAt(socket);
    expect(await oci('run', '--detach', '--bundle', bundle, '--console-socket', socket, 'one')).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    const { said, ...terminal } = await sent();
    expect(terminal).toEqual({ name: '/dev/ptmx', rows: 33, columns: 99 });
    expect(said.split('\r\n')).toEqual(['typed', 'got typed', '33 99', '', 'ends', '']);
  });

  it('is refused without a socket, and a socket without a terminal', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true']);
    expect(await oci('create', '--bundle', bundle, '--console-socket', '/nowhere', 'one')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('cannot use console socket'),
    });
    const terminal = makeBundle(folder, ['busybox', 'true'], (config) => Object.assign(config.process, { terminal: true }));
    expect(await oci('create', '--bundle', terminal, 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining('console socket') });
    const missing = await oci('create', '--bundle', terminal, '--console-socket', join(folder, 'nobody.sock'), 'one');
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringMatching(/send the terminal to .*nobody\.sock: ENOENT/) });
  });
});
