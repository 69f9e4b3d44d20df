import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { expect } from 'vitest';
import { loadNative } from '../../lib/native/load-addon.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode, startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { rounds } from '../fixtures/rounds.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['unshare', 'mount', 'ls', 'busybox'] });
const temporary = temporaryFolder();

/** In a /run of its own, where no other owner is; `after` is run there at the end. */
const ownRun = (after: string) => [
  'unshare',
  '-m',
  'sh',
  '-c',
  `set -e; unset NACELLE_RUNROOT; mount -t tmpfs test /run; "$@"; ${after}`,
  'sh',
];

interface Reaped {
  owners: string[];
  failures: { code: string; message: string }[];
  folders: string[];
}

describe('reap()', () => {
  it('tells what it can not remove, keeps the record of that, and removes all else', async () => {
    const { once, twice, kept, status, warnings, repaired } = await runNode<{
      once: Reaped;
      twice: Reaped;
      kept: string[];
      status: string;
      warnings: string[];
      repaired: Reaped;
    }>('reap', [], { through: ownRun('true') });
    expect(once).toMatchObject({ owners: ['plain'], folders: [] });
    expect(once.failures.map(({ code }) => code).sort()).toEqual(['ENOTDIR', 'ERR_RECORD', 'ERR_RECORD']);
    const messages = once.failures.map(({ message }) => message).join('\n');
    expect(messages).toContain('/run/nacelle/records/broken/2.json');
    expect(messages).toContain('/run/nacelle/owners/nonsense');
    expect(messages).toContain('/proc/version/in-a-file');
    expect(kept).toEqual(['2.json', '3.json']);
    expect(twice).toEqual({ ...once, owners: [] });
    // and a container starts, whatever others left
    expect(status).toBe('ok');
    expect(warnings).toEqual(once.failures.map(({ message }) => `NacelleWarning: ${message}`));
    expect(repaired).toEqual({ owners: ['broken'], failures: [], folders: [] });
  });
});

it('is done by a new shim where the one before has died, heard of or not', async () => {
  const killed = rounds(10, 100);
  const owners = Array.from({ length: killed + 1 }, (_, number) => `owner-${number}`);
  expect(await runNode('reap-unheard', [String(killed)], { through: ownRun('true') })).toEqual(owners);
});

it('the record of what could not be undone stays for the next reap', async () => {
  expect(await runNode('kept-record', [], { through: ownRun('true') })).toEqual([
    { errors: [], left: 0 },
    { errors: ['ENOTDIR'], left: 1 },
  ]);
});

describe('the runtime directory', () => {
  const { shim } = loadNative();

  /** The life of a shim: what it says when it has started, 0 or -errno. */
  async function live(runtime: string, name: string): Promise<number> {
    const child = spawn(shim, [runtime, name], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    const control = child.stdio[3] as Duplex;
    const ended = once(child, 'exit');
    const [answer] = (await once(control, 'data')) as [Buffer];
    control.end();
    await ended;
    return answer.readInt32LE();
  }

  it('goes with the last shim', async () => {
    const { stdout, stderr, code } = await startNode('idle', [], {
      through: ownRun('while [ -e /run/nacelle ]; do sleep 0.1; done; ls -A /run; echo gone'),
    }).ended;
    expect({ stdout, stderr, code }).toEqual({ stdout: 'done\ngone\n', stderr: '', code: 0 });
  });

  it('is there for whoever starts while another ends', async () => {
    const runtime = join(temporary, 'runtime');
    // what an ending shim does, at every instant, for as long as this process lives; mostly they are in use or gone, as they are for it
    const script = `const [parent, ...folders] = process.argv.slice(1);
      while (process.ppid === Number(parent)) for (const folder of folders) try { fs.rmdirSync(folder) } catch {}`;
    const other = spawn(process.execPath, ['-e', script, String(process.pid), join(runtime, 'owners'), runtime], { stdio: 'ignore' });
    const ended = once(other, 'exit');
    try {
      for (let turn = 0; turn < 100; turn++) expect(await live(runtime, `shim-${turn}`), `turn ${turn}`).toBe(0);
    } finally {
      other.kill('SIGKILL');
      await ended;
    }
    mkdirSync(runtime, { recursive: true });
    expect(await live(runtime, 'last')).toBe(0);
    expect(existsSync(runtime)).toBe(false);
  });
  it('that can not be made is why a shim does not start', async () => {
    expect(await live(join(temporary, 'no', 'such'), 'shim')).toBe(-constants.errno.ENOENT);
    const file = join(temporary, 'file');
    writeFileSync(file, '');
    expect(await live(file, 'shim')).toBe(-constants.errno.ENOTDIR);
    const link = join(temporary, 'link');
    symlinkSync('nowhere', link);
    expect(await live(link, 'shim')).toBe(-constants.errno.ENOENT);
  });
});
