import { getEventListeners } from 'node:events';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { beforeAll, expect } from 'vitest';
import { Cgroup, Container, type Execution, Namespace, type RunOptions } from '../../../lib/index.js';
import { isAlive } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });

let sandbox: Awaited<ReturnType<typeof busybox>>;
const run = (script: string, options: Partial<RunOptions> = {}) => Container.run({ ...sandbox, command: ['sh', '-c', script], ...options });

async function all(lines: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const line of lines) found.push(line);
  return found;
}

describe('an execution', () => {
  // not at the top of the file: without its tools the tests are skipped, and so is this
  beforeAll(async () => {
    sandbox = await busybox();
  });

  it('is a promise of the result, with its pid and streams', async () => {
    const running = run('read line; echo "got $line"; echo err >&2', { stdin: 'pipe' });
    expect(await running.pid).toBeGreaterThan(1);
    running.stdin?.end('a line\n');
    expect(await text(running.stdout ?? Readable.from([]))).toBe('got a line\n');
    expect(await text(running.stderr ?? Readable.from([]))).toBe('err\n');
    expect(await running).toMatchObject({ status: 'ok', stdout: 'got a line\n', stderr: 'err\n' });
  });

  it('gives the lines of stdout while the program runs', async () => {
    const running = run('echo ready; read answer; echo "$answer"', { stdin: 'pipe' });
    const found: string[] = [];
    for await (const line of running) {
      if (found.push(line) === 1) running.stdin?.end('go on\n');
    }
    expect(found).toEqual(['ready', 'go on']);
    expect(await running).toMatchObject({ stdout: 'ready\ngo on\n' });
  });

  it('gives the lines of each output, and of both, to everybody who asks', async () => {
    const running = run('echo one; echo two >&2; printf three');
    const [out, err, both, again] = await Promise.all([
      all(running.lines()),
      all(running.lines('stderr')),
      all(running.lines('all')),
      all(running),
    ]);
    expect([out, err, both.sort(), again]).toEqual([['one', 'three'], ['two'], ['one', 'three', 'two'], ['one', 'three']]);
    expect(await running).toMatchObject({ stdout: 'one\nthree', stderr: 'two\n' });
    expect(await all(running.lines('all'))).toHaveLength(3);
  });

  asRoot.it('is the same of namespaces and groups', async () => {
    await using group = await Cgroup.create(`nacelle-test-${process.pid}-execution`);
    await using namespace = await Namespace.of('self', 'uts');
    const command = ['sh', '-c', 'echo one; echo two'];
    for (const running of [group.run(command), namespace.run(command)]) {
      expect(await all(running)).toEqual(['one', 'two']);
      expect(await running).toMatchObject({ stdout: 'one\ntwo\n' });
    }
  });

  it('is changed by nobody who looks at it', async () => {
    const running = run('read line; echo out; echo err >&2', { stdin: 'pipe' });
    await running.pid;
    const { ...spread } = running;
    expect(Object.keys(spread).sort()).toEqual(['kill', 'lines', 'pid', 'resize', 'stderr', 'stdin', 'stdout']);
    expect(inspect(running, { depth: 5, showHidden: true, getters: true })).toContain('Promise');
    expect(running).toMatchObject({ stdout: expect.anything() });
    expect(running).not.toEqual({});
    expect(running.stdout).toBe(running.stdout);
    running.stdin?.end('\n');
    expect(await running).toMatchObject({ status: 'ok', stdout: 'out\n', stderr: 'err\n' });
  });

  it('keeps nothing with buffer: false, and shows it to who reads', async () => {
    const unread = await run('echo thrown away; head -c 1000000 /dev/zero', { buffer: false });
    expect(unread).toMatchObject({ status: 'ok', stdout: '', stderr: '' });
    const running = Container.run({ ...sandbox, command: ['echo', 'shown'], buffer: false, encoding: 'buffer' });
    expect(await all(running)).toEqual(['shown']);
    expect((await running).stdout).toHaveLength(0);
  });

  it('without a buffer has the bound that is asked for, and no other', async () => {
    expect(await run('head -c 120000000 /dev/zero', { buffer: false })).toMatchObject({ status: 'ok' });
    expect(await run('head -c 1000 /dev/zero', { buffer: false, maxBuffer: 999 })).toMatchObject({
      status: 'output-limit',
      reason: 'wrote more than 999 bytes to stdout',
    });
  });

  it('is killed as a tree, also when it is asked to before it runs', async () => {
    const before = run('sleep 1000');
    await before.kill();
    expect(await before).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
    const running = run('trap "echo heard; exit 3" USR1; echo ready; while :; do sleep 0.01; done');
    for await (const line of running) if (line === 'ready') await running.kill('SIGUSR1');
    expect(await running).toMatchObject({ exitCode: 3, stdout: 'ready\nheard\n' });
    await running.kill();
  });

  it('goes on when a loop over its lines is left', async () => {
    const running = run('yes | head -c 3000000; exit 3');
    for await (const _ of running) break;
    const result = await running;
    expect([result.exitCode, result.stdout.length]).toEqual([3, 3_000_000]);
  });

  it('tells in the loop why it failed', async () => {
    const failing = run('echo line; exit 3', { reject: true });
    const found: string[] = [];
    await expect(
      (async () => {
        for await (const line of failing) found.push(line);
      })(),
    ).rejects.toMatchObject({ name: 'ContainerRunError', exitCode: 3, stdout: 'line\n' });
    expect(found).toEqual(['line']);
    const wrong = { command: ['true'], memory: 'much' } as unknown as RunOptions;
    await expect(all(Container.run(wrong))).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(all(Container.run({ rootfs: '/nonexistent', command: ['true'] }))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('tells that there are no lines where they go elsewhere', async () => {
    const running = run('true', { stdout: 'ignore' });
    expect(running.stdout).toBeNull();
    await expect(all(running)).rejects.toMatchObject({ code: 'ERR_STATE', message: expect.stringContaining('stdout') });
    expect(await all(running.lines('all'))).toEqual([]);
    const lines = (from: unknown) => running.lines(from as 'all');
    expect(() => lines('stdin')).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
    await running;
  });

  it('that is refused rejects, and nothing else does', async () => {
    const wrong: Execution = Container.run({ command: [] });
    await wrong.kill();
    await expect(wrong.pid).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    expect(await text(wrong.stdout ?? Readable.from(['none']))).toBe('');
    await expect(wrong.kill('NOPE' as NodeJS.Signals)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });

  it('gives lines anew to each loop', async () => {
    const running = run('echo a; echo b');
    const lines = running.lines();
    for await (const line of lines) {
      expect(line).toBe('a');
      break;
    }
    expect(await Promise.all([all(lines), all(lines)])).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
    await running;
  });

  it('is left at once, also while nothing comes', async () => {
    const running = run('echo a; exec sleep 1000');
    const [returned, thrown] = [running.lines()[Symbol.asyncIterator](), running.lines()[Symbol.asyncIterator]()];
    for (const lines of [returned, thrown]) expect(await lines.next()).toEqual({ done: false, value: 'a' });
    const waiting = [returned.next(), thrown.next()];
    expect(await returned.return?.()).toEqual({ done: true, value: undefined });
    await expect(thrown.throw?.(new Error('mine'))).rejects.toThrow('mine');
    expect(isAlive(await running.pid)).toBe(true);
    expect(await Promise.all(waiting)).toEqual(waiting.map(() => ({ done: true, value: undefined })));
    await running.kill();
    expect(await running).toMatchObject({ signal: 'SIGKILL', stdout: 'a\n' });
  });

  it('that is cancelled before it runs has no lines, and streams that end', async () => {
    const running = run('echo never', { cancelSignal: AbortSignal.abort() });
    expect(await all(running)).toEqual([]);
    expect(await text(running.stdout ?? Readable.from(['none']))).toBe('');
    expect(await running).toMatchObject({ status: 'canceled' });
  });

  it('that is cancelled has no pid', async () => {
    const stop = new AbortController();
    const running = run('true', { cancelSignal: stop.signal });
    stop.abort();
    expect(await running).toMatchObject({ status: 'canceled', isCanceled: true });
    await expect(running.pid).rejects.toThrow();
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  });

  it('whose lines are read rejects unheard by nobody, and else as every promise', async () => {
    expect(await runNode<string[]>('unhandled')).toEqual(['never iterated']);
  });
});
