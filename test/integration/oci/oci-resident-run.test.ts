import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { OWN_SESSION } from '../../fixtures/own-session.js';
import { requires } from '../../fixtures/requires.js';
import { useResidentPlanner, writable } from '../../fixtures/resident-planner.js';
import { type BundleChange, called, makeBundle, type RuntimeCall } from '../../fixtures/runtime-bundle.js';
import { until } from '../../fixtures/until.js';

// `run` and `update` by a planner that stays, and by one of their own.

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'sh'] });
const { folder, states, front, alone, oci, started, sleepers, resident } = useResidentPlanner();

const containers = (): string[] => (existsSync(states) ? readdirSync(states) : []).filter((name) => !name.startsWith('@'));

/** Calls a command, as a line of a shell has it, with a text as its standard input. */
async function calledWith(input: string, file: string, line: string, env: NodeJS.ProcessEnv = {}): Promise<RuntimeCall> {
  const child = spawn('/bin/sh', ['-c', `exec '${file}' --root '${states}' ${line}`], {
    env: { ...process.env, ...env },
    ...OWN_SESSION,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const texts = ['', ''];
  for (const [index, stream] of [child.stdout, child.stderr].entries())
    stream.on('data', (part) => {
      texts[index] += part;
    });
  if (input === '') child.stdin.end();
  else child.stdin.end(input);
  const [code]: (number | null)[] = await once(child, 'close');
  return { code: code ?? null, stdout: texts[0] ?? '', stderr: texts[1] ?? '' };
}

/** What is different in each container, and each call. */
const masked = (text: string): string =>
  text
    .replace(/"(pid|startTime)":\s*"?\d+"?/g, '"$1":N')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]{12}Z/g, 'TIME')
    .replace(/^(record|process) .*$/gm, '$1');

const hookOf = (line: string) => ({ path: '/bin/sh', args: ['sh', '-c', line] });

/** Does the same by a planner of its own and by one that stays, for which Node is not started. @returns what came of it */
async function bothWays<T>(doIt: (file: string) => Promise<T>): Promise<T> {
  const made: T[] = [];
  for (const file of [alone, front]) {
    if (file === front) await resident();
    started();
    made.push(await doIt(file));
    if (file === front) expect(started()).toEqual([]);
  }
  expect(made[1]).toEqual(made[0]);
  return made[1] as T;
}

describe('run by a resident planner', () => {
  it.each<[string, string, number, string, BundleChange?]>([
    ['a status', 'echo out; exit 7', 7, 'out\n'],
    ['a signal', 'kill -9 $$', 137, '', (config) => void config.linux.namespaces.splice(indexOfPids(config), 1)],
    ['its standard input', 'cat', 0, 'from the caller\n'],
    ['hooks of each kind', 'echo ran', 0, 'ran\n', withHooks],
  ])('in the foreground gives %s, and leaves nothing', async (_, line, code, stdout, change) => {
    const bundle = makeBundle(folder, ['busybox', 'sh', '-c', line], change);
    const hooks = join(folder, 'hooks');
    const came = await bothWays(async (file) => {
      writeFileSync(hooks, '');
      const call = await calledWith('from the caller\n', file, `run --bundle '${bundle}' --pid-file '${bundle}/pid' one`);
      return { ...call, hooks: readFileSync(hooks, 'utf8'), pid: /^\d+$/.test(readFileSync(join(bundle, 'pid'), 'utf8')) };
    });
    const told = change !== withHooks ? '' : 'createRuntime\npoststart\npoststop\n';
    expect(came).toEqual({ code, stdout, stderr: '', hooks: told, pid: true });
    expect(containers()).toEqual([]);
  });

  const indexOfPids = ({ linux }: Parameters<BundleChange>[0]): number => linux.namespaces.findIndex(({ type }) => type === 'pid');

  function withHooks(config: Record<string, unknown>): void {
    noteHooks(config, ['createRuntime', 'poststart', 'poststop']);
  }

  function noteHooks(config: Record<string, unknown>, kinds: readonly string[]): void {
    config.hooks = Object.fromEntries(kinds.map((kind) => [kind, [hookOf(`echo ${kind} >> ${join(folder, 'hooks')}`)]]));
  }

  it('in the foreground goes on where nothing can be left for the front, and says so', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sh', '-c', 'exit 7'], (config) => {
      config.hooks = { createRuntime: [hookOf(`echo > ${join(states, 'one/plans.new')}`)] };
    });
    const came = await bothWays((file) => calledWith('', file, `run --bundle '${bundle}' one`));
    expect(came).toEqual({ code: 7, stdout: '', stderr: expect.stringContaining(`write ${join(states, 'one/plans')}: EEXIST`) });
    expect(containers()).toEqual([]);
  });

  it('passes over descriptors that are not open, and has nothing else in their place', async () => {
    writeFileSync(join(folder, 'five'), 'from five\n');
    const line = 'for f in /proc/self/fd/*; do busybox readlink $f > /dev/null && echo "fd $(busybox basename $f)"; done; cat <&5';
    const bundle = makeBundle(folder, ['busybox', 'sh', '-c', line]);
    await resident();
    const { code, stdout, stderr } = await calledWith(
      '',
      front,
      `run --bundle '${bundle}' --preserve-fds 60 one 3<&- 4<&- 5<'${folder}/five'`,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    // a shell has its own from 10 on
    expect(stdout.split('\n').filter((text) => !/^fd (?:[012]|1\d)$/.test(text))).toEqual(['fd 5', 'from five', '']);
    expect(started()).toEqual([]);
  });

  it('leaves the record of a container that has ended with --keep', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true']);
    const kept = await bothWays(async (file) => {
      const { code, stderr } = await called(file, ['--root', states, 'run', '--keep', '--bundle', bundle, 'one']);
      const state = await called(alone, ['--root', states, 'state', 'one']);
      const files = readdirSync(join(states, 'one')).sort();
      await called(alone, ['--root', states, 'delete', 'one']);
      return { code, stderr, files, state: masked(state.stdout) };
    });
    expect(kept).toMatchObject({ code: 0, stderr: '', state: expect.stringContaining('"stopped"') });
  });

  it('lets go of a container with --detach', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], (config) => noteHooks(config, ['createRuntime', 'poststart']));
    const left = await bothWays(async (file) => {
      writeFileSync(join(folder, 'hooks'), '');
      const { code, stderr } = await called(file, ['--root', states, 'run', '--detach', '--bundle', bundle, 'one']);
      const read = (name: string): string => masked(readFileSync(join(states, 'one', name), 'utf8'));
      const { pid } = JSON.parse(readFileSync(join(states, 'one/state.json'), 'utf8'));
      const texts = ['state.json', 'plans', 'groups.json'].map(read);
      const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
      const hooks = readFileSync(join(folder, 'hooks'), 'utf8');
      await called(alone, ['--root', states, 'delete', '--force', 'one']);
      return { code, stderr, texts, limits, hooks };
    });
    expect(left).toMatchObject({ code: 0, stderr: '', hooks: 'createRuntime\npoststart\n' });
  });

  it.each<[string, string[], BundleChange?]>([
    ['a program that is not there', ['nowhere']],
    ['a hook that fails', ['busybox', 'sleep', '1000'], (config) => Object.assign(config, { hooks: { poststart: [hookOf('exit 3')] } })],
    [
      'a wrong bundle',
      ['busybox', 'true'],
      (config) => Object.assign(config, { linux: { ...config.linux, namespaces: [{ type: 'no' }] } }),
    ],
  ])('undoes what it made for %s, with and without --detach', async (_, args, change) => {
    const bundle = makeBundle(folder, args, change);
    for (const flags of [[], ['--detach']]) {
      const failed = await bothWays(async (file) => {
        const { code, stderr } = await called(file, ['--root', states, 'run', ...flags, '--bundle', bundle, 'one']);
        return { code, stderr, left: containers() };
      });
      expect(failed).toEqual({ code: 1, stderr: expect.stringMatching(/./), left: [] });
    }
  });

  it('passes the signals of its front on to the program', async () => {
    const script = 'trap "exit 42" CONT; echo > /trapped; while :; do busybox usleep 10000; done';
    const bundle = makeBundle(folder, ['busybox', 'sh', '-c', script], writable);
    await resident();
    const child = spawn(front, ['--root', states, 'run', '--bundle', bundle, 'one'], { ...OWN_SESSION, stdio: 'ignore' });
    const ended = once(child, 'exit');
    await until('the program listens', () => existsSync(join(bundle, 'rootfs/trapped')));
    child.kill('SIGCONT');
    expect([await ended, started(), containers()]).toEqual([[42, null], [], []]);
  });

  it('ends a container whose front was killed, which `delete --force` removes', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sh', '-c', 'echo > /ready; exec busybox sleep 100021'], writable);
    await resident();
    const child = spawn(front, ['--root', states, 'run', '--bundle', bundle, 'one'], { ...OWN_SESSION, stdio: 'ignore' });
    await until('the program runs', () => sleepers('100021').length === 1);
    child.kill('SIGKILL');
    await until('it has ended', () => sleepers('100021').length === 0);
    expect(await oci('delete', '--force', 'one')).toMatchObject({ code: 0, stderr: '' });
    expect(containers()).toEqual([]);
  });

  it('is by a Node of its own where somebody waits to be told that the container is ready', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true']);
    await resident();
    const { code, stderr } = await calledWith('', front, `run --bundle '${bundle}' one`, { NOTIFY_SOCKET: '/none' });
    expect([code, stderr]).toEqual([1, expect.stringContaining('/none')]);
    expect(started()).toEqual([`run --bundle ${bundle} one`]);
  });
});

describe('update by a resident planner', () => {
  const RESOURCES = JSON.stringify({ pids: { limit: 77 } });
  const wrong = { pids: { limit: 'many' } };

  async function limitsAfter(file: string, input: string, line: string): Promise<unknown> {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], (config) => {
      config.linux.resources = { pids: { limit: 1000 }, memory: { limit: 1 << 28 } };
    });
    expect(await called(alone, ['--root', states, 'create', '--bundle', bundle, 'one'])).toMatchObject({ code: 0 });
    started();
    const call = await calledWith(input, file, line);
    const { groups } = JSON.parse(readFileSync(join(states, 'one/state.json'), 'utf8'));
    const files = ['pids.max', 'memory.limit_in_bytes', 'memory.max', 'cpuset.cpus'];
    const paths: string[] = groups.flatMap((group: { path: string }) => files.map((name) => join(group.path, name)));
    const limits = paths.filter((path) => existsSync(path)).map((path) => readFileSync(path, 'utf8').trim());
    const nodes = started().length;
    await called(alone, ['--root', states, 'delete', '--force', 'one']);
    return { ...call, stderr: call.stderr.replaceAll(states, ''), limits, nodes };
  }

  it.each([
    ['by flags', '', 'update --pids-limit 77 --memory 134217728 one'],
    ['by a file', '', `update --resources '${folder}/resources.json' one`],
    ['by standard input, as containerd does', RESOURCES, 'update --resources=- one'],
    ['by a short flag', RESOURCES, 'update -r - one'],
    ['by a flag after the word', RESOURCES, 'update one --resources -'],
    ['by a file as standard input', '', `update --resources - one < '${folder}/resources.json'`],
    ['but not by what is wrong', JSON.stringify(wrong), 'update --resources - one'],
    ['but not by a file that is not there', '', 'update --resources /none one'],
    ['but not of one that is not there', '', 'update --pids-limit 5 other'],
  ])('changes limits %s', async (_, input, line) => {
    writeFileSync(join(folder, 'resources.json'), RESOURCES);
    const own = await limitsAfter(alone, input, line);
    await resident();
    const other = await limitsAfter(front, input, line);
    expect(other).toEqual({ ...(own as object), nodes: 0 });
    expect(own).toMatchObject({ nodes: 1 });
  });

  it('has a Node of its own for a file that could keep others waiting, or that another process sees otherwise', async () => {
    writeFileSync(join(folder, 'resources.json'), RESOURCES);
    const pipe = join(folder, 'pipe');
    execFileSync('busybox', ['mkfifo', pipe]);
    await resident();
    const line = (path: string): string => `update --resources ${path} one 3<'${folder}/resources.json'`;
    expect(await limitsAfter(front, '', line('/dev/fd/3'))).toMatchObject({ code: 0, limits: expect.arrayContaining(['77']), nodes: 1 });
    const writes = spawn('/bin/sh', ['-c', `echo '${RESOURCES}' > ${pipe}`], { stdio: 'ignore' });
    const ended = once(writes, 'exit');
    expect(await limitsAfter(front, '', line(pipe))).toMatchObject({ code: 0, limits: expect.arrayContaining(['77']), nodes: 1 });
    await ended;
  });
});
