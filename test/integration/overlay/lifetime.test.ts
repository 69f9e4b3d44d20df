import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { afterEach, expect } from 'vitest';
import { recordFiles } from '../../../lib/host/journal.js';
import { reap } from '../../../lib/index.js';
import { isAlive, shimOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { type NodeProgram, startNode } from '../../fixtures/node.js';
import { named, overlaysOn, tree } from '../../fixtures/overlay.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['bash', 'mount', 'umount'] });
const folder = temporaryFolder();
const programs: NodeProgram[] = [];

afterEach(async () => {
  for (const program of programs.splice(0)) {
    program.process.kill('SIGKILL');
    await program.ended;
  }
});

interface Holder {
  program: NodeProgram;
  shim: number;
  owner: string;
  path: string;
}

/** A process of its own that holds an overlay. */
async function holder(options: object, ...args: string[]): Promise<Holder> {
  const program = startNode('overlay', [JSON.stringify({ lower: [folder], ...options }), ...args]);
  programs.push(program);
  const { value, done } = await program.lines.next();
  if (done) throw new Error((await program.ended).stderr);
  const shim = shimOf(program.pid);
  if (shim === null) throw new Error('the program has no shim');
  return { program, shim: shim.pid, ...JSON.parse(value) };
}

async function kill({ program, shim }: Holder, both = false): Promise<void> {
  if (both) process.kill(shim, 'SIGKILL');
  program.process.kill('SIGKILL');
  await program.ended;
  await until('its shim has ended', () => !isAlive(shim));
}

describe('an overlay', () => {
  it('goes when Node is killed: mount, work folder and record', async () => {
    const place = tree(folder);
    const [upper, target] = [named(place, 'upper'), named(place, 'target')];
    const held = await holder({ lower: [tree(folder)], upper, target });
    expect(overlaysOn(target)).toHaveLength(1);
    expect(recordFiles(held.owner)).toHaveLength(2);
    await kill(held);
    expect(overlaysOn(target)).toEqual([]);
    expect(readdirSync(place)).toEqual(['target', 'upper']);
    expect(recordFiles(held.owner)).toEqual([]);
  });

  it('goes with its temporary folder when Node is killed', async () => {
    const held = await holder({});
    expect(overlaysOn(held.path)).toHaveLength(1);
    await kill(held);
    expect(existsSync(held.path)).toBe(false);
  });

  it('keeps no program from ending, and goes with it', async () => {
    const held = await holder({}, 'end');
    expect((await held.program.ended).code).toBe(0);
    await until('it is gone', () => !existsSync(held.path));
  });

  it('stays with persist, and has no record', async () => {
    const held = await holder({ persist: true });
    expect(recordFiles(held.owner)).toEqual([]);
    await kill(held);
    expect(overlaysOn(held.path)).toHaveLength(1);
    execFileSync('umount', [held.path]);
    rmdirSync(held.path);
  });

  it('is found by its record when Node and the shim were killed', async () => {
    const place = tree(folder);
    const [upper, target] = [named(place, 'upper'), named(place, 'target')];
    const given = await holder({ lower: [tree(folder)], upper, target });
    const temporary = await holder({});
    for (const held of [given, temporary]) {
      await kill(held, true);
      expect(overlaysOn(held.path), 'nobody was left to unmount it').toHaveLength(1);
      await reaped(held.owner);
      expect(overlaysOn(held.path)).toEqual([]);
      expect(recordFiles(held.owner)).toEqual([]);
    }
    expect(readdirSync(place)).toEqual(['target', 'upper']);
    expect(existsSync(temporary.path)).toBe(false);
  });

  it("is left alone by a reaper when somebody else's overlay is there by then", async () => {
    const target = named(tree(folder), 'target');
    const held = await holder({ target });
    await kill(held, true);
    execFileSync('umount', [target]);
    execFileSync('mount', ['-t', 'overlay', '-o', `lowerdir=${tree(folder)}:${tree(folder)}`, 'other', target]);
    await reaped(held.owner);
    expect(overlaysOn(target)).toHaveLength(1);
    execFileSync('umount', [target]);
  });
});

async function reaped(owner: string): Promise<void> {
  await until('its records are worked off', async () => (await reap()) && recordFiles(owner).length === 0);
}
