import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { Container, type ContainerOptions, type ExecOptions } from '../../../lib/index.js';
import { cgroupFolders, makerOfContainers } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { live } from '../../fixtures/live.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { rounds } from '../../fixtures/rounds.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });

const groupsOf = ({ id }: Container): string[] => cgroupFolders().filter((path) => path.includes(id));
const openFiles = (): number[] => ['self', String(makerOfContainers())].map((pid) => readdirSync(`/proc/${pid}/fd`).length);

describe('a program that is refused', () => {
  it('in a container that was not started, or has ended, or was removed', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['true'] });
    await expect(container.exec(['true'])).rejects.toMatchObject({ code: 'ERR_STATE', message: expect.stringContaining('it is created') });
    await container.start();
    await container.wait();
    const ended = { code: 'ERR_STATE', message: expect.stringContaining('it has ended') };
    await expect(container.exec(['true'])).rejects.toMatchObject(ended);
    await container.remove();
    await expect(container.exec(['true'])).rejects.toMatchObject(ended);
  });

  const cases: [string, string[], ExecOptions, object][] = [
    ['a program that is not in PATH (127)', ['no-such-program'], {}, { code: 'ENOENT', syscall: 'execve' }],
    ['a path that is not there (127)', ['/no/such'], {}, { code: 'ENOENT', syscall: 'execve', path: '/no/such' }],
    ['a file that is no program (126)', ['/etc/passwd'], {}, { code: 'EACCES', syscall: 'execve' }],
    ['a folder (126)', ['/etc'], {}, { code: 'EACCES', syscall: 'execve' }],
    ['a script whose interpreter is missing', ['/tmp/script'], {}, { code: 'ENOENT', syscall: 'execve' }],
    ['a user that is not there', ['true'], { user: 'nosuch' }, { code: 'ENOENT', message: expect.stringContaining('nosuch') }],
    ['a group that is not there', ['true'], { user: 'user:nosuch' }, { code: 'ENOENT' }],
    ['a folder that is not there', ['true'], { cwd: '/no/such' }, { code: 'ENOENT', syscall: 'chdir', path: '/no/such' }],
    ['a folder that is none', ['true'], { cwd: '/etc/passwd' }, { code: 'ENOTDIR', syscall: 'chdir' }],
    ['an option that is none', ['true'], JSON.parse('{"workdir":"/"}'), { code: 'ERR_INVALID_OPTION' }],
    ['an empty command', [], {}, { code: 'ERR_INVALID_OPTION' }],
  ];
  it.each(cases)('%s', async (_, command, options, error) => {
    await using container = await live();
    await container.exec(['sh', '-c', "printf '#!/no/such\\n' > /tmp/script; chmod 755 /tmp/script"]);
    const before = groupsOf(container);
    await expect(container.exec(command, options)).rejects.toMatchObject(error);
    expect(groupsOf(container)).toEqual(before);
    expect(await container.exec(['true'])).toMatchObject({ status: 'ok' });
  });

  it('leaves its streams ended, and kill() without effect', async () => {
    await using container = await live();
    const execution = container.exec(['no-such-program'], { stdin: 'pipe' });
    await expect(execution).rejects.toMatchObject({ code: 'ENOENT' });
    await execution.kill();
    await expect(execution.pid).rejects.toMatchObject({ code: 'ENOENT' });
    expect(execution.stdout?.destroyed).toBe(true);
  });

  it('a cancel before it runs is a result', async () => {
    await using container = await live();
    const result = await container.exec(['true'], { cancelSignal: AbortSignal.abort() });
    expect(result).toMatchObject({ status: 'canceled', isCanceled: true });
  });

  it('kill() after its end has no effect', async () => {
    await using container = await live();
    const execution = container.exec(['true']);
    await execution;
    await execution.kill();
    expect(await execution).toMatchObject({ status: 'ok' });
  });
});

describe("exec at the moment of the container's end", () => {
  type Ending = [string, ContainerOptions, (container: Container, round: number) => Promise<unknown>];
  const brief = { command: ['sleep', '0.03'] };
  const ofHost: Ending = ["in the host's pid namespace", { ...brief, namespaces: { pid: 'host' } }, () => Promise.resolve()];
  const ends: Ending[] = [
    ['by itself', { command: ['sleep', '0.03'] }, () => Promise.resolve()],
    ['with an init of ours', { command: ['sleep', '0.03'], init: true }, () => Promise.resolve()],
    ['by kill()', {}, (container, round) => new Promise((resolve) => setTimeout(resolve, round % 20)).then(() => container.kill())],
    [
      'by remove()',
      {},
      (container, round) => new Promise((resolve) => setTimeout(resolve, round % 20)).then(() => container.remove({ force: true })),
    ],
    ...(isRoot ? [ofHost] : []),
  ];
  it.each(ends)('%s: each call is answered', async (_, options, end) => {
    for (let round = 0; round < rounds(15, 300); round++) {
      await using container = await live(options);
      let isGone = false;
      const gone = container.wait().finally(() => {
        isGone = true;
      });
      const ending = end(container, round);
      const answers: unknown[] = [];
      while (!isGone) {
        const calls = Array.from({ length: 3 }, () => container.exec(['true']).catch((error: Error) => error));
        answers.push(...(await Promise.all(calls)));
        // refusals take no turn of the event loop, in which the end is heard of
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all([gone, ending]);
      for (const answer of answers) {
        if (answer instanceof Error) expect(answer).toMatchObject({ name: 'NacelleError', code: 'ERR_STATE' });
        else expect(['ok', 'signalled']).toContain(Object(answer).status);
      }
      await expect(container.exec(['true'])).rejects.toMatchObject({ code: 'ERR_STATE' });
      expect(groupsOf(container)).toEqual([]);
    }
  });
});

describe('1,000 programs at once', () => {
  it('are all answered, and leave nothing', async () => {
    await using container = await live();
    await container.exec(['true']);
    const [groups, files] = [groupsOf(container), openFiles()];
    const numbers = Array.from({ length: 1000 }, (_, number) => `${number}\n`);
    const results = await Promise.all(numbers.map((input) => container.exec(['cat'], { input })));
    expect(results.map(({ stdout }) => stdout)).toEqual(numbers);
    expect(groupsOf(container)).toEqual(groups);
    await until('none is open that was not before', () => openFiles().every((count, at) => count <= (files[at] ?? 0)));
  });

  it('those that run at the end of the container end with it', async () => {
    await using container = await live();
    const executions = Array.from({ length: 200 }, () => container.exec(['sleep', '100000']));
    await Promise.all(executions.map(({ pid }) => pid));
    await container.kill();
    for (const result of await Promise.all(executions)) expect(result).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
    await container.wait();
    expect(groupsOf(container)).toEqual([]);
  });

  asRoot.it('are refused one by one where the container has no room for them', async () => {
    await using container = await live({ pidsLimit: 10 });
    const calls = Array.from({ length: 50 }, () => container.exec(['sleep', '0.05']).catch((error: Error) => error));
    const answers = await Promise.all(calls);
    for (const answer of answers) if (answer instanceof Error) expect(answer).toMatchObject({ code: 'EAGAIN' });
    expect(await container.exec(['true'])).toMatchObject({ status: 'ok' });
  });
});
