import { expect } from 'vitest';
import { Container, Namespace } from '../../../lib/index.js';
import { isAlive, makerOfContainers } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode, startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, output, sh } from '../../fixtures/sandbox.js';
import { traced } from '../../fixtures/strace.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();

describe('a program', () => {
  asRoot.it('that died while init waited to start it was never started', async () => {
    const container = await Container.create({ ...(await busybox()), command: ['true'], init: true });
    const children = await output(`cat /proc/${container.pid}/task/${container.pid}/children`, {
      namespaces: { pid: 'host' },
    });
    process.kill(Number(children), 'SIGKILL');
    await until('init has reaped it', () => !isAlive(Number(children)));
    // the shim has heard of the end that init told before it answers this
    await container.kill('SIGCONT');
    await expect(container.start()).rejects.toMatchObject({ code: 'ERR_ENDED' });
    expect(await container.wait()).toMatchObject({ status: 'signalled', signal: 'SIGKILL', durationMs: 0 });
    await container.remove({ force: true });
  });
});

describe('the session keyring', () => {
  it('has no name by which another could be offered', async () => {
    const keyrings = await output('cat /proc/keys', { maskedPaths: [] });
    expect(keyrings).toMatch(/ keyring +_ses: /);
    expect(keyrings).not.toMatch(/ keyring +nacelle: /);
  });
});

describe('a plan', () => {
  it('longer than a message may be is refused, and the others live', async () => {
    await using other = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    await other.start();
    const shim = makerOfContainers();
    await expect(sh('true', { copyIn: { '/big': new Uint8Array(65 * 1024 ** 2) } })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    expect(makerOfContainers()).toBe(shim);
    expect(other.state).toBe('running');
  });

  for (const size of [100, 300_000, 20_000_000]) {
    it(`with ${size} bytes in it arrives whole`, async () => {
      const bytes = new Uint8Array(size).map((_, i) => i % 251);
      const { files } = await sh('true', { copyIn: { '/in': bytes }, copyOut: ['/in'] });
      expect(Buffer.from(files['/in'] ?? []).equals(bytes)).toBe(true);
    });
  }
});

describe('Node', () => {
  it('without descriptors is told so, and ends by itself', async () => {
    const outcomes = await runNode<string[]>('no-descriptors', [], { through: ['sh', '-c', 'ulimit -n 200; exec "$@"', 'sh'] });
    expect(new Set(outcomes)).toEqual(new Set(['ok', 'EMFILE']));
    expect([outcomes[0], outcomes.at(-1)]).toEqual(['ok', 'ok']);
  });

  it('warns of no descriptor in a Worker', async () => {
    expect(await startNode('workers', ['exit']).ended).toMatchObject({ code: 0, stderr: '' });
  });

  it('outlives Workers that are terminated while messages come, and keeps none of their descriptors', async () => {
    expect(await runNode('terminated-workers', ['15'])).toEqual({ status: 'ok', more: [] });
  });
});

describe('a program that closes its streams early', () => {
  it('gives Node the end of its output while it goes on', async () => {
    const container = await Container.create({ ...(await busybox()), command: ['sh', '-c', 'echo last; exec >&- ; exec sleep 1000'] });
    const stdout = container.stdout;
    await container.start();
    const chunks: Buffer[] = [];
    for await (const chunk of stdout ?? []) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('last\n');
    expect(container.state).toBe('running');
    await container.remove({ force: true });
  });
});

describe('the old root', () => {
  it('is detached in full: one mount on /, and nothing above it', async () => {
    const mountinfo = (await output('cat /proc/self/mountinfo')).split('\n').map((line) => line.split(' '));
    expect(mountinfo.filter((fields) => fields[4] === '/')).toHaveLength(1);
    expect(mountinfo.filter((fields) => fields[4]?.startsWith('/sys/fs/cgroup/'))).toEqual([]);
    expect(await output('stat -c %d:%i / /.. | uniq | wc -l')).toBe('1');
  });
});

const withStrace = requires({ containers: true, groups: true, tools: ['busybox', 'strace'] });
withStrace.it('that ended while the stage before it still held the channel has ended, and its set-up has not failed', async () => {
  const { pid } = await Namespace.create(['pid']);
  await using _pid = pid;
  // a stage that made way ends by this call; the program is killed by a signal, and makes none
  const delays = [{ call: 'exit_group', microseconds: 300_000 }];
  const run = () => sh('kill -KILL $$', { namespaces: { pid } });
  const { value } = await traced(makerOfContainers() ?? -1, folder, { follow: true, delays }, run);
  expect(value).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
});
