import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, chmodSync, copyFileSync, existsSync, fstatSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container } from '../../lib/index.js';
import { closeDescriptor, loadNative } from '../../lib/native/load-addon.js';
import { findShim } from '../fixtures/detached.js';
import { descendants, entries, isAlive, pidOf, readLink, shimOf, statusField } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { rounds } from '../fixtures/rounds.js';
import { busybox, sh } from '../fixtures/sandbox.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { findTool } from '../fixtures/tools.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const meeting = temporaryFolder();
const { describe, it } = requires({ root: true, tools: ['busybox'] });

describe('the shim', () => {
  it('is one for a process, whatever runs', async () => {
    await Promise.all([sh('true'), sh('true'), sh('true')]);
    expect(descendants().filter((info) => info.command === 'nacelle-shim' && info.parent === process.pid)).toHaveLength(1);
  });

  it('is started while the options of a first run are read', async () => {
    expect(JSON.parse((await startNode('ahead').ended).stdout)).toEqual({ isThere: true, exitCode: 0 });
  });

  it('that was started for options which are refused keeps no process alive, goes with it, and is ended as any other', async () => {
    for (const [args, isThere] of [
      [[], true],
      [['end'], false],
    ] as const) {
      const { stdout, code } = await startNode('refused-ahead', [...args]).ended;
      const { pid, ...told } = JSON.parse(stdout);
      expect([code, told]).toEqual([0, { refused: 'ERR_INVALID_OPTION', isThere }]);
      await until('it has ended', () => !isAlive(pid.pid));
    }
  });

  it('runs from a mount of its own that no path leads to, in a session of its own', async () => {
    await sh('true');
    const pid = shimOf()?.pid;
    expect(readLink(`/proc/${pid}/exe`)).toBe('/nacelle-shim');
    expect(existsSync('/nacelle-shim')).toBe(false);
    expect(readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[5]).toBe(String(pid));
  });

  it('shares its program with the shims of detached containers, which are as protected', async () => {
    await sh('true');
    const { dev, ino } = statSync(`/proc/${shimOf()?.pid}/exe`);
    const container = await Container.create({ ...(await busybox()), detach: true, command: ['sleep', '1000'] });
    try {
      const exe = `/proc/${findShim(container.id)}/exe`;
      expect(statSync(exe)).toMatchObject({ dev, ino });
      expect(() => chmodSync(exe, 0o755)).toThrow('EROFS');
    } finally {
      await container.remove({ force: true });
    }
  });

  it('is copied anew when its file has changed', async () => {
    const { addon, shim } = loadNative();
    const file = join(meeting, 'shim');
    copyFileSync(shim, file);
    // until then a change may leave the times of the file as they are, and no copy is kept
    await until('a change would show', () => Date.now() - statSync(file).ctimeMs > 100);
    const copies = [shim, file, file].map((path) => addon.copyShim(path));
    appendFileSync(file, 'more');
    copies.push(addon.copyShim(file));
    const [own, first, again, changed] = copies.map((fd) => {
      const { dev, ino, size } = fstatSync(fd);
      closeDescriptor(fd);
      return { file: `${dev}:${ino}`, size };
    });
    expect(again).toEqual(first);
    expect(own?.size).toBe(first?.size);
    expect(changed).toMatchObject({ size: Number(first?.size) + 4 });
    expect(new Set([own, first, changed].map((copy) => copy?.file)).size).toBe(3);
  });

  it('that is stopped counts as serving, also once it has hung up a connection', async () => {
    expect(JSON.parse((await startNode('stopped-shim').ended).stdout)).toEqual({ isWelcome: true });
  });

  it('ignores what a terminal or a service manager sends', async () => {
    await sh('true');
    const shim = shimOf();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const) process.kill(pidOf(shim), signal);
    expect(await sh('echo alive')).toMatchObject({ stdout: 'alive\n' });
    expect(shimOf()?.pid).toBe(shim?.pid);
  });

  it('shows nothing of itself, of Node or of the host to a container', async () => {
    const result = await sh('readlink /proc/1/exe; ls /proc/self/fd; ls /proc | grep -c "^[0-9]"');
    expect(result.stdout.split('\n')[0]).toMatch(/busybox$/);
  });

  it('lets a script that is done exit by itself', async () => {
    expect(await startNode('idle').ended).toMatchObject({ code: 0, signal: null, stdout: 'done\n' });
  });

  it('keeps the defaults of signals for programs where its parent ignores them', async () => {
    const through = ['sh', '-c', 'trap "" PIPE HUP INT QUIT TERM USR1 USR2 ALRM TSTP 40; exec "$@"', 'sh'];
    const { code, stdout } = await startNode('idle', ['cat', '/proc/self/status'], { through }).ended;
    expect(code).toBe(0);
    expect(statusField('SigIgn', stdout)).toBe('0'.repeat(16));
    expect(statusField('SigBlk', stdout)).toBe('0'.repeat(16));
  });
});

/** So many at once, and one after the other: all exit codes in any case. */
const [LANES, IN_A_LANE] = [8, rounds(40, 250)];

describe('many at once', () => {
  it('64 all resolve, and none waits for another', async () => {
    // Each waits until all 64 are there: they can only end when they run side by side.
    const script = 'touch /meeting/$NUMBER; while [ "$(ls /meeting | wc -l)" -lt 64 ]; do sleep 0.1; done; echo $NUMBER';
    const runs = Array.from({ length: 64 }, (_, index) =>
      sh(script, { env: { NUMBER: String(index) }, volumes: [`${meeting}:/meeting`], timeout: 250_000 }),
    );
    expect((await Promise.all(runs)).map((result) => result.stdout)).toEqual(runs.map((_, index) => `${index}\n`));
  });

  it(`${LANES * IN_A_LANE} starts beside other children of Node: no exit is lost, no descriptor grows`, async () => {
    const base = await busybox();
    await Container.run({ ...base, command: ['true'] });
    const open = () => ({ node: entries('/proc/self/fd').length, shim: entries(`/proc/${shimOf()?.pid}/fd`).length });
    const before = open();
    const program = findTool('true') ?? '';
    let busy = true;
    let churned = 0;
    const churn = (async () => {
      while (busy) {
        const [code] = await once(spawn(program, { stdio: 'ignore' }), 'exit');
        expect(code).toBe(0);
        churned++;
      }
    })();
    const codes: (number | null)[] = [];
    const lane = async (number: number): Promise<void> => {
      for (let i = 0; i < IN_A_LANE; i++) {
        const code = (number * IN_A_LANE + i) % 256;
        const result = await Container.run({ ...base, command: ['sh', '-c', `exit ${code}`] });
        if (result.exitCode !== code) codes.push(result.exitCode);
      }
    };
    await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
    busy = false;
    await churn;
    expect(codes).toEqual([]);
    expect(churned).toBeGreaterThan(0);
    await until('no descriptor is more than before', () => open().node <= before.node && open().shim <= before.shim);
  });
});
