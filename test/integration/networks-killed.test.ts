import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { isAlive, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, names, useNets } from '../fixtures/nets.js';
import { killHolder, type NetworkHolder, startHolder } from '../fixtures/network-holder.js';
import { runNode, startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { rounds } from '../fixtures/rounds.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { loneMachine, WORLD_TOOLS } from '../fixtures/world.js';

useLeakCheck();
const { describe, it } = requires({ root: true, containers: true, tools: [...WORLD_TOOLS, 'ping', 'sleep', 'sed'] });
const temporary = temporaryFolder();
useNets();

/** Between how many steps the processes are killed: all of them in a soak, which takes minutes. */
const stride = rounds(4, 1);

async function machine() {
  const { net, from } = await loneMachine(temporary);
  return { net, ...from };
}

const holder = (from: Parameters<typeof startHolder>[1]): Promise<NetworkHolder> => startHolder('networks', from);

describe('a network whose processes are killed', () => {
  it('goes on when one of its processes is killed, and leaves nothing when the last one is', async () => {
    const { net, ...from } = await machine();
    const [one, other] = [await holder(from), await holder(from)];
    expect(await names(net)).toHaveLength(3);
    await killHolder(one, 'Node');
    await until('its port has gone', async () => (await names(net)).length === 2);
    await inside(net, 'ping', '-c1', '-W5', '10.89.0.3');
    await killHolder(other, 'Node');
    await until('the bridge is gone', async () => (await names(net)).length === 0);
  });

  it('is in use while a container is on it in another network namespace', async () => {
    const { env, ...here } = await machine();
    const other = await machine();
    const one = await holder({ through: here.through, env });
    const from = { through: other.through, env };
    expect(await runNode('networks', ['remove'], from)).toEqual({ removal: expect.stringMatching(/^ERR_IN_USE: /), pruned: [] });
    await killHolder(one, 'Node');
    expect(await runNode('networks', ['remove'], from)).toEqual({ removal: 'no error', pruned: [] });
    await until('the bridge is gone', async () => (await names(here.net)).length === 0);
  });

  it('has nothing in common with one of the same name in another store, but for the runtime folder', async () => {
    const { net, through, env } = await machine();
    const link = join(temporary, 'link');
    symlinkSync(env.NACELLE_ROOT ?? '', link);
    const one = await holder({ through, env });
    const same = await holder({ through, env: { ...env, NACELLE_ROOT: link } });
    const other = await holder({ through, env: { ...env, NACELLE_ROOT: `${env.NACELLE_ROOT}-other` } });
    expect([one, same, other].map(({ line }) => line)).toEqual(['["10.89.0.2/24"]', '["10.89.0.3/24"]', '["10.89.1.2/24"]']);
    expect((await names(net)).filter((name) => name.startsWith('ncl-'))).toHaveLength(2);
    for (const each of [one, same]) await killHolder(each, 'Node');
    await until('the bridge of the first store is gone', async () => (await names(net)).length === 2);
    await inside(net, 'ping', '-c1', '-W5', '10.89.1.2');
    await killHolder(other, 'Node');
    await until('the other one is gone', async () => (await names(net)).length === 0);
  });

  it.each(['Node', 'both'])('leaves nothing when %s dies between two steps of the making of a container', async (who) => {
    const { net, ...from } = await machine();
    for (let after = 0; ; after += stride) {
      const program = startNode('networks', ['stop', String(after)], from);
      const line = await program.lines.next();
      if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
      const shim = shimOf(program.pid)?.pid;
      if (!shim) throw new Error('it has no shim');
      if (who === 'both') process.kill(shim, 'SIGKILL');
      program.process.kill('SIGKILL');
      await program.ended;
      await until('the shim has ended too', () => !isAlive(shim));
      const seen = await runNode('networks', ['reap'], from);
      expect(seen, `before request ${after}`).toMatchObject({ failures: [], usesLeft: [], folders: [] });
      expect(await names(net), `before request ${after}`).toEqual([]);
      if (line.value === 'made') break;
      expect(line.value).toBe('stopped');
    }
  });

  it('is not used by who was killed before it had written what its use says', async () => {
    const { net, ...from } = await machine();
    const { before, ...seen } = await runNode<{ before: { uses: number } }>('networks', ['cut'], from);
    expect(before.uses).toBe(1);
    expect(seen).toEqual({ failures: [], usesLeft: [], folders: [] });
  });

  it('gives an address that a process was about to give when it was killed', async () => {
    const { through, env } = await machine();
    expect(await runNode('networks', ['offered'], { through, env })).toEqual({
      given: [2, 3, 4, 5, 6].map((number) => `10.3.0.${number}/29`),
      full: 'ERR_NO_ADDRESS: take an address in the network small: all are taken',
    });
  });

  it('is removed by a reap when nobody is left that could', async () => {
    const { net, ...from } = await machine();
    await killHolder(await holder(from), 'both');
    const { before, ...seen } = await runNode<{ before: { uses: number } }>('networks', ['reap'], from);
    expect(before.uses).toBe(2);
    expect(seen).toEqual({ failures: [], usesLeft: [], folders: [] });
    expect(await names(net)).toEqual([]);
  });

  it('is left by a reap of a pid namespace that does not show who is there, and removed by one that sees all', async () => {
    const { net, ...from } = await machine();
    await killHolder(await holder(from), 'both');
    const through = ['unshare', '--net', '--pid', '--fork', '--mount-proc', '--kill-child'];
    expect(await runNode('networks', ['reap'], { through, env: from.env })).toMatchObject({ failures: [] });
    expect(await names(net)).not.toEqual([]);
    expect(await runNode('networks', ['reap'], from)).toMatchObject({ failures: [], usesLeft: [], folders: [] });
    expect(await names(net)).toEqual([]);
  });

  it('is left by a reap of a pid namespace that has the number of the one before', async () => {
    const { net, ...from } = await machine();
    await killHolder(await holder(from), 'both');
    // as the kernel would give it: who reaps has the number that was noted
    const renumber =
      'sed -i "s/\\"pids\\":[0-9]*/\\"pids\\":$(stat -Lc %i /proc/self/ns/pid)/" "$NACELLE_RUNROOT"/records/*/*.json; exec "$@"';
    const through = ['unshare', '--net', '--pid', '--fork', '--mount-proc', '--kill-child', 'sh', '-ec', renumber, 'sh'];
    expect(await runNode('networks', ['reap'], { through, env: from.env })).toMatchObject({ failures: [] });
    expect(await names(net)).not.toEqual([]);
    expect(await runNode('networks', ['reap'], from)).toMatchObject({ failures: [], usesLeft: [], folders: [] });
    expect(await names(net)).toEqual([]);
  });

  it('is removed by a reap elsewhere when its network namespace has gone too', async () => {
    const { net, ...from } = await machine();
    await killHolder(await holder(from), 'both');
    await net.close();
    const other = await machine();
    const seen = async () => runNode('networks', ['reap'], { through: other.through, env: from.env });
    // the container's process, which its shim's death has killed, may hold the namespace a moment longer
    await until('nothing is left', async () => JSON.stringify(await seen()).includes('"folders":[]'));
  });
});

describe('the folder of a network that nobody uses', () => {
  it('goes with a reap, and that of one which is used stays', async () => {
    const { net: _, ...from } = await machine();
    expect(await runNode('networks', ['folders'], from)).toEqual({
      before: ['.forwarding', 'unused', 'used'],
      during: ['.forwarding', 'used', true],
      after: [],
    });
  });

  it('is made again for whoever was about to use it', async () => {
    const { net: _, ...from } = await machine();
    expect(await runNode('networks', ['removed'], from)).toEqual({ isRemoved: true, address: '10.89.0.2' });
  });

  it('is nobody’s loss while others use the network again and again', async () => {
    const { net: _, ...from } = await machine();
    const reaping = [startNode('networks', ['reaps'], from), startNode('networks', ['reaps'], from)];
    const { made, had } = await runNode<{ made: string; had: unknown[] }>('networks', ['race'], from);
    expect([made, had.length]).toEqual(['no error', 10]);
    for (const one of reaping) {
      one.process.kill('SIGTERM');
      const { stdout, stderr } = await one.ended;
      expect(JSON.parse(stdout), stderr).toEqual({ failures: [], hasReaped: true });
    }
    expect(await runNode('networks', ['reap'], from)).toMatchObject({ failures: [], folders: [] });
  });
});
