import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { processInfo } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { called, makeBundle, type RuntimeCall, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc'] });
const folder = temporaryFolder();
const { oci, runc, states: root } = useRuntimes(folder);

/** A command that must succeed: what it printed. */
async function done(...args: string[]): Promise<string> {
  const call = await oci(...args);
  expect(call, args.join(' ')).toMatchObject({ code: 0, stderr: '' });
  return call.stdout;
}

const state = async (id: string): Promise<Record<string, unknown>> => JSON.parse(await done('state', id));

describe('the life of a container', () => {
  it('is as runc has it, and nobody stays beside it', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    const pidFile = join(folder, 'pid');
    await done('create', '--bundle', bundle, '--pid-file', pidFile, 'one');
    const created = await state('one');
    const pid = Number(readFileSync(pidFile, 'utf8'));
    expect(created).toMatchObject({ status: 'created', pid, bundle, rootfs: join(bundle, 'rootfs'), owner: 'root' });
    // the runtime has gone, and with it the shim that was the parent
    const parent = processInfo(processInfo(pid)?.parent ?? 0);
    expect(parent?.command).toBeTypeOf('string');
    expect(parent?.command).not.toBe('nacelle-shim');
    expect(readlinkSync(`/proc/${pid}/ns/pid`)).not.toBe(readlinkSync('/proc/self/ns/pid'));
    // whoever enters it meanwhile finds its streams, the two pipes and the shim's own sealed file, and nothing else of the host's
    const opened = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    const wanted = ['/dev/null', 'stdout (deleted)', 'stderr (deleted)', '/nacelle-shim', `${root}/one/failed`, `${root}/one/start`];
    expect(opened.map((path) => path.replace(/^.*\/nacelle-test-call-[^/]+\//, '')).sort()).toEqual(wanted.sort());
    await done('start', 'one');
    expect(await state('one')).toMatchObject({ status: 'running', pid });
    expect(await oci('start', 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining('already running') });
    expect(await oci('delete', 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining('not stopped: running') });
    await done('kill', 'one', 'KILL');
    await until('it has ended', () => (processInfo(pid)?.state ?? 'Z') === 'Z');
    expect(await state('one')).toMatchObject({ status: 'stopped', pid: 0 });
    expect(await oci('kill', 'one', 'TERM')).toMatchObject({ code: 1, stderr: 'container not running\n' });
    await done('delete', 'one');
    expect(readdirSync(root)).toEqual([]);

    // the same keys as runc's, for the same bundle
    expect((await runc('create', '--bundle', bundle, 'two')).code).toBe(0);
    const theirs = JSON.parse((await runc('state', 'two')).stdout);
    await runc('delete', '--force', 'two');
    expect(Object.keys(created).sort()).toEqual(Object.keys(theirs).sort());
  });

  it('ends by a signal while it waits for its start, though it is process 1', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    for (const signal of ['TERM', 'INT', 'HUP']) {
      await done('create', '--bundle', bundle, 'one');
      const pid = Number((await state('one')).pid);
      await done('kill', 'one', signal);
      await until('it has ended', () => (processInfo(pid)?.state ?? 'Z') === 'Z');
      expect(await state('one')).toMatchObject({ status: 'stopped' });
      expect(await oci('start', 'one')).toMatchObject({ code: 1, stderr: 'cannot start a container that has stopped\n' });
      await done('delete', 'one');
    }
  });

  it('has programs beside its own, and stands still', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    await done('run', '--detach', '--bundle', bundle, 'one');
    expect(await oci('exec', '--env', 'A=0', '--env', 'A=1', 'one', 'sh', '-c', 'echo $A; exit 7')).toMatchObject({
      code: 7,
      stdout: '1\n',
    });
    expect(await oci('exec', 'one', 'missing')).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('executable file not found in $PATH'),
    });
    await done('pause', 'one');
    expect(JSON.parse(await done('list', '--format', 'json'))).toMatchObject([{ id: 'one', status: 'paused' }]);
    await done('resume', 'one');
    expect(await state('one')).toMatchObject({ status: 'running' });
    await done('delete', '--force', 'one');
  });

  it('is told by the words and statuses of runc', async () => {
    for (const args of [
      ['state', 'nope'],
      ['kill', 'nope'],
      ['delete', '--force', 'nope'],
    ]) {
      const [ours, theirs] = [await oci(...args), await runc(...args)];
      expect(ours.code, args.join(' ')).toBe(theirs.code);
      expect(ours.stderr.includes('container does not exist')).toBe(theirs.stderr.includes('container does not exist'));
    }
  });
});

describe('run', () => {
  it('leaves nothing when a hook fails, or the program is not there', async () => {
    const failing = makeBundle(folder, ['true'], (config) => {
      config.hooks = { createContainer: [{ path: '/bin/sh', args: ['sh', '-c', 'echo no >&2; exit 3'] }] };
    });
    expect(await oci('run', '--bundle', failing, 'failing')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('exit status 3: no'),
    });
    const missing = makeBundle(folder, ['missing']);
    expect(await oci('run', '--bundle', missing, 'missing')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('executable file not found'),
    });
    const late = makeBundle(folder, ['/etc/broken']);
    writeFileSync(join(late, 'rootfs/etc/broken'), 'neither a script nor a program', { mode: 0o755 });
    expect(await oci('run', '--bundle', late, 'late')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('exec /etc/broken: exec format error'),
    });
    expect(readdirSync(root)).toEqual([]);
  });

  it.each([
    ['without any', { uid: 0, gid: 0 }],
    ['that the user has by the files alone', { uid: 1000, gid: 1000 }],
    ['its own not among them', { uid: 7, gid: 8, additionalGids: [5, 2_147_483_647] }],
    ['its own among them', { uid: 0, gid: 3, additionalGids: [3, 70] }],
  ])('has the supplementary groups of config.json alone, as with runc: %s', async (_, user) => {
    const bundle = makeBundle(folder, ['busybox', 'grep', '-E', '^(Uid|Gid|Groups):', '/proc/self/status'], (config) =>
      Object.assign(config.process, { user }),
    );
    writeFileSync(join(bundle, 'rootfs/etc/passwd'), 'some:x:1000:1000::/:/bin/sh\n');
    writeFileSync(join(bundle, 'rootfs/etc/group'), 'more:x:2000:some\n');
    const [ours, theirs] = [await oci('run', '--bundle', bundle, 'ours'), await runc('run', '--bundle', bundle, 'theirs')];
    expect(ours.stdout).toMatch(/^Groups:/m);
    expect(ours).toEqual(theirs);
  });

  it.each([[[]], [['--user', '9:10', '--additional-gids', '11']]])('has those of `exec` %j, as with runc', async (flags) => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], (config) =>
      Object.assign(config.process, { user: { uid: 0, gid: 0, additionalGids: [70] } }),
    );
    const calls: RuntimeCall[] = [];
    for (const runtime of [oci, runc]) {
      expect((await runtime('run', '--detach', '--bundle', bundle, 'one')).code).toBe(0);
      calls.push(await runtime('exec', ...flags, 'one', 'busybox', 'grep', '-E', '^(Uid|Gid|Groups):', '/proc/self/status'));
      await runtime('delete', '--force', 'one');
    }
    expect(calls[0]?.stdout).toMatch(/^Groups:/m);
    expect(calls[0]).toEqual(calls[1]);
  });

  it('needs no working folder for absolute paths', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true']);
    const gone = 'mkdir "$0/gone"; cd "$0/gone"; rmdir "$0/gone"; exec "$@"';
    const command = [process.execPath, programFile('nacelle-oci'), '--root', root];
    const run = await called('sh', ['-c', gone, folder, ...command, 'run', '--bundle', bundle, 'one']);
    expect(run).toEqual({ code: 0, stdout: '', stderr: '' });
    const log = join(folder, 'log');
    const failed = await called('sh', ['-c', gone, folder, ...command, '--log', log, 'exec', 'one', 'true']);
    expect(failed).toEqual({ code: 255, stdout: '', stderr: 'container does not exist\n' });
    expect(readFileSync(log, 'utf8')).toContain('container does not exist');
  });

  it('joins namespaces by path', async () => {
    const pod = makeBundle(folder, ['busybox', 'sleep', '1000']);
    await done('run', '--detach', '--bundle', pod, 'pod');
    const { pid } = await state('pod');
    const bundle = makeBundle(folder, ['sh', '-c', 'for n in net ipc uts pid; do busybox readlink /proc/self/ns/$n; done'], (config) => {
      const joined = { network: 'net', ipc: 'ipc', uts: 'uts', pid: 'pid' } as Record<string, string>;
      for (const namespace of config.linux.namespaces)
        if (joined[namespace.type] !== undefined) namespace.path = `/proc/${pid}/ns/${joined[namespace.type]}`;
      delete config.hostname;
    });
    const { stdout, code } = await oci('run', '--bundle', bundle, 'member');
    const wanted = ['net', 'ipc', 'uts', 'pid'].map((type) => readlinkSync(`/proc/${pid}/ns/${type}`));
    expect([code, stdout.trimEnd().split('\n')]).toEqual([0, wanted]);
    await done('delete', '--force', 'pod');
  });
});

describe('exec', () => {
  it('of a folder says so in the words that engines look for', async () => {
    expect(await oci('run', '--detach', '--bundle', makeBundle(folder, ['busybox', 'sleep', '1000']), 'one')).toMatchObject({ code: 0 });
    expect(await oci('exec', 'one', '/proc')).toMatchObject({
      code: 255,
      stderr: expect.stringMatching(/is a directory.*is not a regular file/),
    });
  });
});
