import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { consoleSocketAt } from '../../fixtures/console-socket.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { type Needs, requires } from '../../fixtures/requires.js';
import { type BundleChange, bundleGroups, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { seccompAgentAt } from '../../fixtures/seccomp-agent.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const needs: Needs = { root: true, tools: ['busybox', 'python3'] };
const { describe, it } = requires(needs);
// the agent knows the numbers of its calls
const onX64 = requires({ ...needs, arch: 'x64' });
const onTwoProcessors = requires({ ...needs, processors: 2 });
const folder = temporaryFolder();
const { oci } = useRuntimes(folder);

/** mkdir(2) of x86-64, and an errno by which nothing else fails. */
const MKDIR = { call: 83, errno: 76 };
const REFUSED = /mkdir.*Name not unique on network/;

const asked =
  (path: string, noNewPrivileges: boolean, names: readonly string[] = ['mkdir']): BundleChange =>
  ({ process, linux }) => {
    Object.assign(process, { noNewPrivileges });
    linux.seccomp = {
      defaultAction: 'SCMP_ACT_ALLOW',
      ...{ architectures: ['SCMP_ARCH_X86_64'], listenerPath: path, listenerMetadata: 'of mine' },
      syscalls: [{ names, action: 'SCMP_ACT_NOTIFY' }],
    };
  };

let count = 0;
const socketPath = (): string => join(folder, `agent-${count++}`);

onX64.describe('SCMP_ACT_NOTIFY', () => {
  it.each([true, false])(
    'asks whoever listens at listenerPath, with the state of the process (noNewPrivileges: %s)',
    async (noNewPrivileges) => {
      const path = socketPath();
      await using agent = await seccompAgentAt(path, MKDIR);
      // calls of the process's own set-up are asked of the agent too
      const names = ['mkdir', 'read', 'write', 'close', 'openat', 'execve', 'clone', 'recvmsg', 'prctl'];
      const bundle = makeBundle(folder, ['sh', '-c', 'busybox mkdir /tmp/x; exec busybox sleep 1000'], asked(path, noNewPrivileges, names));
      expect(await oci('create', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
      const state = JSON.parse((await oci('state', 'one')).stdout);
      const sent = await agent.next();
      expect(sent).toMatchObject({ ociVersion: '1.3.0', fds: ['seccompFd'], pid: state.pid, metadata: 'of mine' });
      expect(sent.state).toEqual({ ...state, status: 'creating' });
      expect(await oci('start', 'one')).toMatchObject({ code: 0, stderr: '' });
      // every program of exec has a filter, and so a listener of its own
      expect(await oci('exec', 'one', 'busybox', 'mkdir', '/tmp/y')).toMatchObject({ code: 1, stderr: expect.stringMatching(REFUSED) });
      expect((await agent.next()).state).toEqual({ ...state, status: 'running' });
    },
  );

  it('hands the listener over after a terminal, too', async () => {
    const path = socketPath();
    const socket = join(folder, `console-${count}`);
    await using agent = await seccompAgentAt(path, MKDIR);
    await consoleSocketAt(socket);
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], (config) => {
      asked(path, true)(config);
      config.process.terminal = true;
    });
    expect(await oci('create', '--bundle', bundle, '--console-socket', socket, 'one')).toMatchObject({ code: 0, stderr: '' });
    expect(await agent.next()).toMatchObject({ fds: ['seccompFd'], metadata: 'of mine' });
  });

  it('lets calls fail with ENOSYS when nobody has the listener any more', async () => {
    const path = socketPath();
    await using agent = await seccompAgentAt(path, MKDIR);
    const bundle = makeBundle(
      folder,
      ['sh', '-c', 'busybox mkdir /dev/shm/x 2> /dev/shm/said; exec busybox sleep 1000'],
      asked(path, true),
    );
    expect(await oci('create', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
    await agent.next();
    await agent.end();
    expect(await oci('start', 'one')).toMatchObject({ code: 0 });
    const { pid } = JSON.parse((await oci('state', 'one')).stdout);
    await until(
      'the call has failed',
      () =>
        existsSync(`/proc/${pid}/root/dev/shm/said`) &&
        readFileSync(`/proc/${pid}/root/dev/shm/said`, 'utf8').includes('Function not implemented'),
    );
  });

  it('leaves nothing when nobody listens, and names the socket', async () => {
    const path = socketPath();
    const bundle = makeBundle(folder, ['busybox', 'true'], asked(path, true));
    const stderr = expect.stringMatching(`${path}.*failed to connect with seccomp agent`);
    expect(await oci('create', '--bundle', bundle, 'one')).toMatchObject({ code: 1, stderr });
    expect(await oci('state', 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining('does not exist') });
    expect(bundleGroups().filter((group) => existsSync(join(group, bundle.split('-').at(-1) ?? '')))).toEqual([]);
  });

  it.each([
    ['linux.seccomp.listenerPath', '', ['mkdir']],
    ['linux.seccomp of config.json', '/agent', ['sendmsg']],
  ])('is refused by its field: %s', async (field, path, names) => {
    const bundle = makeBundle(folder, ['busybox', 'true'], asked(path, true, names));
    expect(await oci('create', '--bundle', bundle, 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining(field) });
  });

  it('is no default', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true'], ({ linux }) => {
      linux.seccomp = { defaultAction: 'SCMP_ACT_NOTIFY', listenerPath: '/agent' };
    });
    expect(await oci('create', '--bundle', bundle, 'one')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('linux.seccomp.defaultAction'),
    });
  });
});

// Each descriptor is close-on-exec from the start. To close them once more is a second line: what is tried here is that programs start without it.
describe('a filter that does not know close_range, since it is older', () => {
  it.each(['EPERM', 'ENOSYS'] as const)('and refuses it by %s keeps no program from running', async (name) => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], ({ process, linux }) => {
      Object.assign(process, { noNewPrivileges: name === 'EPERM' });
      const errnoRet = constants.errno[name];
      linux.seccomp = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['close_range'], action: 'SCMP_ACT_ERRNO', errnoRet }] };
    });
    expect(await oci('run', '--detach', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await oci('exec', 'one', 'busybox', 'ls', '/proc/self/fd');
    // that of the folder comes with ls
    expect(stdout.split('\n')).toEqual(['0', '1', '2', '3', '']);
  });
});

onTwoProcessors.describe('process.execCPUAffinity', () => {
  it('is where a program of exec runs, and not the container itself', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], ({ process }) =>
      Object.assign(process, { execCPUAffinity: { initial: '0', final: '1' } }),
    );
    expect(await oci('run', '--detach', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
    const { pid } = JSON.parse((await oci('state', 'one')).stdout);
    const allowed = (text: string): string | undefined => /^Cpus_allowed_list:\s*(.*)$/m.exec(text)?.[1];
    const { stdout } = await oci('exec', 'one', 'busybox', 'cat', '/proc/self/status');
    expect(allowed(stdout)).toBe('1');
    expect(allowed(readFileSync(`/proc/${pid}/status`, 'utf8'))).not.toBe('1');
  });
});
