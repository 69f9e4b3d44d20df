import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { compile } from '../fixtures/compile.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode, startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['unshare', 'setpriv', 'mount', 'env', 'gcc', 'setsid'], kernel: '6.12' });

const USER = 61_234;
const project = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** A user without root, without groups, with a /tmp of the test's own; `through` is put before the program. */
function asUser(through = ''): { env: Record<string, string>; through: string[] } {
  const script = [
    'PATH=$NACELLE_TEST_PATH',
    `mount -t tmpfs none /mnt; mkdir /mnt/project /mnt/programs; mount --bind ${project} /mnt/project`,
    'cp "$FILTER" /mnt/programs; chmod 755 /mnt/programs /mnt/programs/*',
    `mount -t tmpfs -o mode=1777 none /tmp; mkdir -p ${project}; mount --bind /mnt/project ${project}`,
    `exec env -u NACELLE_RUNROOT -u XDG_RUNTIME_DIR setpriv --reuid=${USER} --regid=${USER} --clear-groups --inh-caps=-all ${through} "$@"`,
  ];
  return { env: { FILTER: compile('refuse-calls') }, through: ['unshare', '--mount', 'sh', '-ec', script.join('\n'), 'sh'] };
}

interface Told {
  readonly ran: { readonly status: string; readonly stdout: string; readonly stderr: string };
  readonly left: readonly number[];
  readonly folders: readonly string[];
}

const nothing = { left: [], folders: [] };

describe('what a program of a user without groups leaves running', () => {
  it('ends with it, whatever its session, signals and folders are', async () => {
    const { ran, ...after } = await runNode<Told>('landlock-life', ['run'], asUser());
    expect(ran).toMatchObject({ status: 'ok', stdout: `${USER}\n` });
    expect(after).toEqual(nothing);
  });

  it('ends when its time is over', async () => {
    const { ran, ...after } = await runNode<Told>('landlock-life', ['timeout'], asUser());
    expect(ran).toMatchObject({ status: 'timeout' });
    expect(after).toEqual(nothing);
  });

  it('ends although the program has tried to kill all processes', async () => {
    const { ran, ...after } = await runNode<Told>('landlock-life', ['attack'], asUser());
    // it has reached its own alone, and not the process that ends them
    expect(ran).toMatchObject({ status: 'ok', stdout: expect.stringMatching(/^(?:(?:sh|sleep|setsid)\n)*$/) });
    expect(after).toEqual(nothing);
  });

  it('ends with the supervisor, and the folder goes with the next reap', async () => {
    const told = await runNode<{ ended: string; before: number; folders: string[]; failures: unknown[] }>(
      'landlock-life',
      ['shim'],
      asUser(),
    );
    expect(told).toEqual({ ended: 'ShimError', before: 1, folders: [], failures: [] });
  });

  it('ends with Node', async () => {
    const options = asUser();
    const busy = startNode('landlock-life', ['busy'], options);
    const { value } = await busy.lines.next();
    const { seconds } = JSON.parse(value ?? '{}') as { seconds: string };
    busy.process.kill('SIGKILL');
    await busy.ended;
    // the processes are those of the machine, whichever mounts they see
    expect(await runNode('landlock-life', ['look', seconds], options)).toEqual({ left: [] });
  });
});

/** Numbers of x86-64's system calls. */
const CALL = { clone3: 435, unshare: 272, setns: 308, mount: 165, keyctl: 250, landlock: 444 };
const [EPERM, ENOSYS, EOPNOTSUPP] = [1, 38, 95];

describe('an outer filter', () => {
  const filtered = async (rules: readonly string[], options = {}) => {
    const through = asUser(`/mnt/programs/refuse-calls ${rules.join(' ')} --`);
    return runNode<{ outcome: object; landlock: object }>('landlock-life', ['outcome', JSON.stringify(options)], through);
  };

  it("like docker's, which refuses namespaces and hides clone3, is no hindrance", async () => {
    const docker = [CALL.unshare, CALL.setns, CALL.mount, CALL.keyctl].map((call) => `${call}:${EPERM}`);
    const { outcome, landlock } = await filtered([`${CALL.clone3}:${ENOSYS}`, ...docker], { command: ['id', '-u'] });
    expect(outcome).toMatchObject({ status: 'ok', stdout: `${USER}\n` });
    expect(landlock).toMatchObject({ available: true, abi: expect.any(Number) });
  });

  it.each([
    ['as a kernel without Landlock does', ENOSYS, 'the kernel has no Landlock', 'Linux 5.13'],
    ['as a kernel does that was booted without it', EOPNOTSUPP, 'was not switched on when the kernel booted', 'lsm='],
    ['by itself', EPERM, 'a filter refuses landlock_create_ruleset(2)', 'seccomp profile'],
  ])('that refuses Landlock %s is told of, with what helps', async (_, errno, reason, fix) => {
    const { outcome, landlock } = await filtered([`${CALL.landlock}:${errno}`]);
    const said = { reason: expect.stringContaining(reason), fix: expect.stringContaining(fix) };
    expect(outcome).toMatchObject({ code: 'ERR_UNSUPPORTED', feature: 'landlock', ...said });
    expect(landlock).toMatchObject({ available: false, abi: null, fix: said.fix });
  });
});

describe('options that a user without root or groups can not have', () => {
  it.each([
    [{ user: 'root' }, /^user with isolation: 'landlock' is not supported here: only root can/],
    [{ groupAdd: ['audio'] }, /^groupAdd with isolation: 'landlock' is not supported here/],
    [{ memory: '10m' }, /^limit memory is not supported here: this user may not make groups/],
    [{ cpuTimeLimit: 10 }, /^cpuTimeLimit is not supported here: this user may not make groups/],
  ])('%j', async (options, message) => {
    const { outcome } = await runNode<{ outcome: object }>('landlock-life', ['outcome', JSON.stringify(options)], asUser());
    expect(outcome).toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringMatching(message) });
  });

  it('are listed where that was asked for', async () => {
    const options = { memory: '10m', onUnsupported: 'report' };
    const { outcome } = await runNode<{ outcome: object }>('landlock-life', ['outcome', JSON.stringify(options)], asUser());
    expect(outcome).toMatchObject({ status: 'ok', notEnforced: expect.arrayContaining([expect.objectContaining({ feature: 'memory' })]) });
  });
});
