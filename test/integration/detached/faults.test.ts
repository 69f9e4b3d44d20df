import { readdirSync, readlinkSync } from 'node:fs';
import { expect } from 'vitest';
import { spareShim } from '../../../lib/container/detached/spare-shim.js';
import { Container, type ContainerOptions, type Encoding } from '../../../lib/index.js';
import { runtimeDir } from '../../../lib/native/runtime-dir.js';
import { detachedShim, useDetached } from '../../fixtures/detached.js';
import { cgroupFolders, readText, statusField } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode, startNode } from '../../fixtures/node.js';
import { patience } from '../../fixtures/patience.js';
import { requires } from '../../fixtures/requires.js';
import { rounds } from '../../fixtures/rounds.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ root: true, tools: ['busybox', 'setpriv'] });
const NOBODY = 65_534;

async function started(more: ContainerOptions<Encoding> = {}): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), detach: true, command: ['sleep', '1000'], ...more });
  await container.start();
  return container;
}

/** How many descriptors a process has open of sockets, or of all kinds. */
function openIn(pid: number, kind = ''): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(kind);
    } catch {
      // it was closed meanwhile
      return false;
    }
  }).length;
}

describe('who is not there', () => {
  it('by id, by name, in a list', async () => {
    const container = await started({ name: 'nacelle-test', labels: { a: 'b' } });
    for (const unknown of ['f'.repeat(32), 'nacelle-tes', container.id.slice(0, 12)])
      await expect(Container.attach(unknown)).rejects.toMatchObject({
        name: 'NacelleError',
        code: 'ERR_NO_CONTAINER',
        message: expect.stringContaining(unknown),
      });
    for (const filter of [{ name: 'nacelle-tes' }, { labels: { a: 'c' } }, { labels: { b: 'b' } }, { state: 'paused' }] as const)
      expect(await Container.list(filter)).toEqual([]);
    await expect(Container.list({ state: 'dead' } as object)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });

  it('is no more: what asks for its processes, by a handle whose container another one has removed', async () => {
    const container = await started({ tty: true });
    const other = await Container.attach(container.id);
    await container.remove({ force: true });
    await until('the handle knows', () => other.state === 'stopped');
    const calls = {
      exec: () => other.exec(['true']),
      pause: () => other.pause(),
      update: () => other.update({ memory: '64m' }),
      resize: () => other.resize({ columns: 1, rows: 1 }),
      restart: () => other.restart(),
    };
    for (const [name, call] of Object.entries(calls))
      await expect(call(), name).rejects.toMatchObject({ name: expect.stringMatching(/Error$/), code: expect.stringMatching(/^E/) });
    await other.remove();
  });
});

it('a container of another user is out of reach, and the folder is named', async () => {
  const container = await started();
  const through = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--securebits=+no_setuid_fixup'];
  const caps = ['--inh-caps=-all,+dac_read_search', '--ambient-caps=-all,+dac_read_search'];
  const told = await runNode('attach', [container.id], { through: [...through, ...caps], env: { NACELLE_RUNROOT: runtimeDir() } });
  expect(told).toMatchObject({ name: 'NacelleError', code: 'ERR_NOT_OWN', message: expect.stringContaining(runtimeDir()) });
  expect(await runNode('attach', [container.id])).toBe('running');
});

describe('a client that stops reading', () => {
  it('is let go of when it is owed too much, and holds up nobody', { timeout: 900_000 * patience }, async () => {
    const container = await started({ restart: { on: 'always' } });
    const shim = detachedShim(container.id);
    const client = startNode('hold-detached', [container.id]);
    expect((await client.lines.next()).value).toBe('attached');
    const sockets = openIn(shim, 'socket:');
    client.process.kill('SIGSTOP');
    let restarts = 0;
    for (; restarts < 1500 && openIn(shim, 'socket:') === sockets; restarts++) await container.restart({ timeout: 0 });
    expect(openIn(shim, 'socket:')).toBe(sockets - 1);
    // a sanitizer keeps what was freed
    const mostKiB = (process.env.NACELLE_SANITIZE === '1' ? 1024 : 16) * 1024;
    expect(Number.parseInt(statusField('VmRSS', readText(`/proc/${shim}/status`) ?? ''), 10)).toBeLessThan(mostKiB);
    client.process.kill('SIGCONT');
    expect((await client.lines.next()).value).toBe('ERR_SHIM_DIED');
    expect(await runNode('attach', [container.id])).toBe('running');
    expect((await container.inspect()).restartCount).toBe(restarts);
  });
});

describe('1,000 programs at once in a detached container', () => {
  it('are all answered, whoever asks, and leave nothing', async () => {
    const container = await started();
    const handles = [container, await Container.attach(container.id)] as const;
    for (const handle of handles) await handle.exec(['true']);
    // else the shim of the next container would be started meanwhile
    spareShim.discard();
    const shim = detachedShim(container.id);
    const [open, own, groups] = [openIn(shim), openIn(process.pid), groupsOf(container)];
    const numbers = Array.from({ length: 1000 }, (_, number) => `${number}\n`);
    const results = await Promise.all(numbers.map((input, number) => (handles[number % 2] ?? container).exec(['cat'], { input })));
    expect(results.map(({ stdout }) => stdout)).toEqual(numbers);
    expect(groupsOf(container)).toEqual(groups);
    await until('none is open that was not before', () => openIn(shim) <= open && openIn(process.pid) <= own);
  });

  it('and one at the moment of its end: each call is answered', { timeout: 900_000 * patience }, async () => {
    for (let round = 0; round < rounds(20, 200); round++) {
      const container = await started({ command: ['sleep', '0.03'] });
      const other = await Container.attach(container.id);
      let isGone = false;
      const gone = container.wait().finally(() => {
        isGone = true;
      });
      const answers: unknown[] = [];
      while (!isGone) {
        const calls = [container, other].map((handle) => handle.exec(['true']).catch((error: Error) => error));
        answers.push(...(await Promise.all(calls)));
        // refusals take no turn of the event loop, in which the end is heard of
        await new Promise((resolve) => setImmediate(resolve));
      }
      await gone;
      for (const answer of answers) {
        if (answer instanceof Error) expect(answer).toMatchObject({ name: 'NacelleError', code: 'ERR_STATE' });
        else expect(['ok', 'signalled']).toContain(Object(answer).status);
      }
      await container.remove();
    }
  });
});

it('there is nothing to resize without a terminal, and after the end', async () => {
  const size = { columns: 10, rows: 10 };
  const plain = await started();
  await expect(plain.resize(size)).rejects.toMatchObject({ name: 'NacelleError', code: 'ERR_STATE' });
  await expect((await Container.attach(plain.id)).resize(size)).rejects.toMatchObject({ code: 'ERR_STATE' });
  const ended = await started({ tty: true, command: ['true'] });
  await ended.wait();
  await expect(ended.resize(size)).rejects.toMatchObject({ code: 'ERR_STATE' });
  await expect((await Container.attach(ended.id)).resize(size)).rejects.toMatchObject({ code: 'ERR_STATE' });
});

it('a name that many take at once is one container, and the others are told and leave nothing', async () => {
  const name = 'nacelle-test';
  const options = { ...(await busybox()), detach: true, command: ['true'], name };
  const made = await Promise.all(Array.from({ length: 8 }, () => Container.create(options).catch((error: Error) => error)));
  const [won, ...others] = made.filter((item) => item instanceof Container);
  expect(others).toEqual([]);
  for (const item of made)
    if (item !== won) expect(item).toMatchObject({ name: 'NacelleError', code: 'ERR_NAME_TAKEN', message: expect.stringContaining(name) });
  expect(await Container.list()).toMatchObject([{ name, id: won?.id }]);
});

/** The groups of programs in a container. */
function groupsOf({ id }: Container): string[] {
  return cgroupFolders().filter((path) => path.includes(id));
}
