import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Namespace } from '../../lib/index.js';
import { groupOf, isAlive, processInfo } from '../fixtures/host.js';
import { leftovers, snapshot, useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['mount', 'umount'] });
const folder = temporaryFolder();

/** What the check says of something that is there while it looks, for 100 ms: what other workers make and remove meanwhile may be part of that. */
async function found(make: () => (() => unknown) | Promise<() => unknown>, guardMs = 100): Promise<string[]> {
  const before = snapshot();
  const undo = await make();
  try {
    return await leftovers(before, guardMs);
  } finally {
    await undo();
  }
}

describe('the leak check', () => {
  it('finds nothing where there is nothing', async () => {
    expect(await found(() => () => undefined, 30_000)).toEqual([]);
  });

  it('finds a mount', async () => {
    const left = await found(() => {
      execFileSync('mount', ['-t', 'tmpfs', 'nacelle-test', folder]);
      return () => execFileSync('umount', [folder]);
    });
    expect(left).toContainEqual(expect.stringContaining(`mount tmpfs on ${folder}`));
  });

  it('passes over a mount in the temporary folder of a program, which another worker may run', async () => {
    const other = mkdtempSync(join(tmpdir(), 'other-program-'));
    const left = await found(() => {
      execFileSync('mount', ['-t', 'tmpfs', 'other-program', other]);
      return () => execFileSync('umount', [other]);
    });
    rmdirSync(other);
    expect(left).not.toContainEqual(expect.stringContaining(other));
  });

  it('finds a cgroup, in the hierarchy of any controller', async () => {
    for (const controller of ['pids', 'memory']) {
      const group = join(groupOf(controller)?.path ?? '', `nacelle-leak-test-${process.pid}`);
      const left = await found(() => {
        mkdirSync(join(group, 'left'), { recursive: true });
        return () => [join(group, 'left'), group].map((path) => rmdirSync(path));
      });
      expect(left).toContain(`cgroup ${join(group, 'left')}`);
    }
  });

  it('finds a process, then its zombie', async () => {
    const before = snapshot();
    // The parent never waits for its child.
    const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 1000'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [text] = await once(parent.stdout, 'data');
    const zombie = Number(String(text));
    await until('it is a zombie', () => processInfo(zombie)?.state === 'Z');
    const left = await leftovers(before, 100);
    parent.kill('SIGKILL');
    await once(parent, 'close');
    expect(left).toEqual(
      expect.arrayContaining([expect.stringMatching(`^zombie ${zombie} `), expect.stringMatching(`^process ${parent.pid} `)]),
    );
    expect(isAlive(zombie)).toBe(false);
  });

  it('finds descriptors: of files by name, of others by kind', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const left = await found(async () => {
      const fd = openSync(file, 'r');
      // one of its own: processes of other tests are in Node's
      const { uts, ipc } = await Namespace.create(['uts', 'ipc']);
      return () => Promise.all([closeSync(fd), uts.close(), ipc.close()]);
    });
    expect(left).toEqual(
      expect.arrayContaining([
        `descriptor ${file} #1`,
        expect.stringMatching(/^namespace uts:/),
        expect.stringMatching(/^descriptor uts:/),
      ]),
    );
  });

  it("finds temporary files with the library's name", async () => {
    const left = await found(() => {
      const path = mkdtempSync(join(tmpdir(), 'nacelle-'));
      return () => rmdirSync(path);
    });
    expect(left).toContainEqual(expect.stringMatching(/^temporary file /));
  });

  it('waits for what goes by itself', async () => {
    const before = snapshot();
    const child = spawn('sleep', ['0.3'], { stdio: 'ignore' });
    expect(await leftovers(before)).toEqual([]);
    expect(child.exitCode).toBe(0);
  });
});
