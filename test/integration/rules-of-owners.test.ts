import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'vitest';
import { isAlive, processInfo } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, useNets } from '../fixtures/nets.js';
import { killHolder, type NetworkHolder, startHolder } from '../fixtures/network-holder.js';
import { forwards, nothingLeft, rules } from '../fixtures/network-rules.js';
import { type NodeProgram, runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { type Machine, machineInWorld, WORLD_TOOLS } from '../fixtures/world.js';

useLeakCheck();
const { describe, it } = requires({
  root: true,
  containers: true,
  tools: [...WORLD_TOOLS, 'nft', 'ping', 'python3', 'bridge'],
  kernel: '5.12',
});
const sharing = requires({ root: true, containers: true, tools: [...WORLD_TOOLS, 'nft', 'python3'] });
const temporary = temporaryFolder();
useNets();

/** Notes some more to hold the tables of rules that detached containers have together: the last ones, of which nothing is left. */
function addGoneHolders({ from }: Machine): void {
  const folder = join(from.env.NACELLE_RUNROOT ?? '', 'networks');
  const [file, ...others] = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => basename(path) === 'rules');
  expect(others).toEqual([]);
  const path = join(folder, file ?? '');
  const note: { holders: { id: string; slot: number }[] } = JSON.parse(readFileSync(path, 'utf8'));
  const gone = ['a1', 'a2', 'a3', 'a4'].map((id) => ({ id, slot: 0 }));
  writeFileSync(path, JSON.stringify({ ...note, holders: [...note.holders, ...gone] }));
}

describe('the rules of several owners', () => {
  /** A process whose container asks the world all the time. */
  async function holder({ from }: Machine): Promise<NetworkHolder> {
    const one = await startHolder('network-rules', from);
    expect(one.line).toBe('1');
    return one;
  }
  /** The next answers: some of them were on their way before this. */
  async function goesOn({ program }: { program: NodeProgram }): Promise<void> {
    for (let count = 0; count < 5; count++)
      expect(await program.lines.next()).toEqual({ done: false, value: expect.stringMatching(/^\d+$/) });
  }
  const tablesOf = async (machine: Machine): Promise<number> => (await rules(machine)).match(/^table /gm)?.length ?? 0;

  it.each(['first', 'second'])('stay when the %s of two is killed, and when another flushes', async (which) => {
    const machine = await machineInWorld(temporary);
    const both = [await holder(machine), await holder(machine)];
    const [gone, left] = which === 'first' ? both : both.reverse();
    if (!gone || !left) throw new Error('no holders');
    expect(await tablesOf(machine)).toBe(4);
    await killHolder(gone, 'Node');
    expect(await tablesOf(machine)).toBe(2);
    await goesOn(left);
    const before = await rules(machine);
    await inside(machine.net, 'nft', 'flush', 'ruleset');
    expect(await rules(machine)).toBe(before);
    await goesOn(left);
    await killHolder(left, 'Node');
    await nothingLeft(machine);
  });

  it('are gone when Node and its shim are killed, and the setting is put back by who comes next', async () => {
    const machine = await machineInWorld(temporary);
    await killHolder(await holder(machine), 'both');
    expect(await rules(machine)).toBe('');
    expect(await forwards(machine)).toBe('1\n');
    expect(await runNode('network-rules', ['reap'], machine.from)).toEqual({ failures: [], settings: ['0', '0'] });
    await nothingLeft(machine);
  });

  it('are those of a detached container’s own shim', async () => {
    const machine = await machineInWorld(temporary);
    const { id, pid } = await runNode<{ id: string; pid: number }>('network-rules', ['detached'], machine.from);
    await until('the rules of the process are gone', async () => (await tablesOf(machine)) === 2);
    expect(await rules(machine)).toMatch(/10\.89\.0\.2/);
    await inside({ ...machine.net, pid }, 'ping', '-c1', '-W5', '192.0.2.2');
    expect(await runNode('network-rules', ['remove', id], machine.from)).toEqual(['0', '0']);
    await nothingLeft(machine);
  });

  it('are those of all detached containers together, as long as one of them lives, whichever ends first', async () => {
    const machine = await machineInWorld(temporary);
    await inside(machine.world, 'ip', 'route', 'add', '10.89.0.0/16', 'via', '192.0.2.1');
    const made = (how = '') => runNode<{ id: string; pid: number }>('network-rules', ['detached', how], machine.from);
    // one after the other, so that each process finds what another has made; with a terminal a program has no next run
    const [first, second] = [await made('tty'), await made()];
    addGoneHolders(machine);
    const third = await made();
    const holds = async ({ pid }: { pid: number }, ip: string): Promise<void> => {
      const own = { ...machine.net, pid };
      await inside(own, 'ping', '-c1', '-W5', '192.0.2.2');
      await inside(own, 'ip', 'addr', 'add', '10.89.0.99/32', 'dev', 'eth0');
      const silent = { stdout: expect.stringContaining(' 0 received') };
      await expect(inside(own, 'ping', '-I', '10.89.0.99', '-c1', '-W1', '10.89.0.1')).rejects.toMatchObject(silent);
      await inside(own, 'ip', 'addr', 'del', '10.89.0.99/32', 'dev', 'eth0');
      await expect(inside(machine.world, 'ping', '-c1', '-W1', ip)).rejects.toMatchObject(silent);
    };
    const killed = async ({ pid }: { pid: number }): Promise<void> => {
      const shim = processInfo(pid)?.parent ?? 0;
      expect(processInfo(shim)?.command).toBe('nacelle-shim');
      process.kill(shim, 'SIGKILL');
      await until('its shim and its program have ended', () => !isAlive(shim) && !isAlive(pid));
    };
    await until('the rules of the processes are gone', async () => (await tablesOf(machine)) === 2);
    await holds(first, '10.89.0.2');
    await killed(second);
    await holds(third, '10.89.0.4');
    await killed(first);
    expect(await tablesOf(machine)).toBe(2);
    await holds(third, '10.89.0.4');
    await killed(third);
    expect(await rules(machine)).toBe('');
    // nobody is left whom the next one could ask
    const last = await made();
    await until('the rules of the process are gone', async () => (await tablesOf(machine)) === 2);
    expect(await runNode('network-rules', ['remove', last.id], machine.from)).toEqual(['0', '0']);
    // of shims that were killed, the groups are left for whoever reaps
    expect(await runNode('network-rules', ['reap'], machine.from)).toEqual({ failures: [], settings: ['0', '0'] });
    await nothingLeft(machine);
  });

  it('hold a detached container before it has its link, and between its runs', async () => {
    const machine = await machineInWorld(temporary);
    expect(await runNode('network-rules', ['between'], machine.from)).toEqual({
      together: ['10.1.0.2', '10.1.0.3', '10.1.0.4', '10.1.0.5'],
      between: ['10.1.0.6'],
      after: { reaches: true, forged: false },
    });
    await nothingLeft(machine);
  });

  sharing.it('are those of whoever shares a network too, when the one whose it was has ended', async () => {
    const machine = await machineInWorld(temporary);
    const seen = { reached: false, sent: true, heard: ['last'], world: true, forged: false };
    expect(await runNode('network-rules', ['shared'], machine.from)).toEqual({
      ...{ before: seen, after: seen },
      alone: { world: true, forged: false },
    });
    await nothingLeft(machine);
  });
});
