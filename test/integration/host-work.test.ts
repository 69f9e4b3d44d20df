import { constants, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { NacelleError } from '../../lib/errors.js';
import { carryOut, during, hold, release, undone } from '../../lib/native/host-work.js';
import { start } from '../../lib/native/shim.js';
import { keep, kept } from '../../lib/network/live/kept-steps.js';
import { parseReplies } from '../../lib/network/netlink.js';
import { NONE, planOf } from '../../lib/plan/plan.js';
import type { Step } from '../../lib/plan/steps.js';
import { withLock } from '../../lib/store/store-lock.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true });
const folder = temporaryFolder();

/** A folder, which `unlink` refuses. */
function made(name: string): string {
  mkdirSync(join(folder, name), { recursive: true });
  return join(folder, name);
}

const unlink = (path: string): Step => ({ op: 'unlink', host: true, at: NONE, path });
const [one, two, three] = [made('one'), made('two'), made('three')];
const nothing = new Map();

describe('work on the host', () => {
  it('tells every failure of its undo: the first with its path and errno, the others beside it', async () => {
    await expect(carryOut(planOf({ undo: [unlink(one), unlink(two)] }))).rejects.toMatchObject({
      code: 'EISDIR',
      path: one,
      cleanupError: { code: 'EISDIR', path: two },
    });
  });

  it('tells the end of its program before what is undone, where that is asked for', async () => {
    const path = made('full');
    writeFileSync(join(path, 'file'), '');
    const task = await start(
      planOf({
        stages: [{ flags: 0, steps: [{ op: 'exec', path: '/bin/sh', argv: ['sh', '-c', 'exit 7'], env: [] }] }],
        undo: [{ op: 'remove_folder', host: true, at: NONE, path, wait: 1 }, unlink(one)],
        tellsEndFirst: true,
      }),
      nothing,
    );
    expect(await task.emptied).toMatchObject({ exit: { kind: 'exited', value: 7 } });
    // the folder is waited for
    rmSync(join(path, 'file'));
    const { exit, undoErrors } = await task.ended;
    expect(exit).toEqual({ kind: 'exited', value: 7 });
    expect(undoErrors).toMatchObject([{ code: 'EISDIR', path: one }]);
    expect(existsSync(path)).toBe(false);
  });

  it('that fails is told, with what its undo could not do', async () => {
    const failure = new NacelleError('the work failed', { code: 'ERR_TEST' });
    await expect(during(planOf({ undo: [unlink(one)] }), nothing, () => Promise.reject(failure))).rejects.toMatchObject({
      code: 'ERR_TEST',
      cleanupError: { code: 'EISDIR', path: one },
    });
    await expect(during(planOf({ undo: [unlink(one)] }), nothing, async () => 'done')).rejects.toMatchObject({ path: one });
    expect(await during(planOf({}), nothing, async () => 'done')).toBe('done');
  });

  it('is taken away by hand where it is to persist, whatever failed before', async () => {
    const [gone, kept] = [join(folder, 'gone'), join(folder, 'kept')];
    for (const path of [gone, kept]) writeFileSync(path, '');
    const holdings = [
      await hold(planOf({ undo: [unlink(two)] }), nothing, { removal: [unlink(one)] }),
      await hold(planOf({}), nothing, { removal: [unlink(gone)] }),
      { ...(await hold(planOf({ undo: [unlink(kept)] }), nothing, { removal: [unlink(three)] })), isGone: () => true },
    ];
    await expect(release(holdings)).rejects.toMatchObject({ path: one, cleanupError: { path: two } });
    expect([gone, kept].map((path) => existsSync(path))).toEqual([false, false]);
  });

  it('is refused where a path leads to something else than before', async () => {
    const path = '/proc/self/ns/net';
    const open: Step = { op: 'open', host: true, out: 0, at: NONE, path, flags: constants.O_RDONLY, mode: 0 };
    const require = (inode: number): Step => ({ op: 'require_inode', host: true, slot: 0, path, inode });
    const { ino } = statSync(path);
    await carryOut(planOf({ prepare: [open, require(ino)] }));
    const message = expect.stringContaining(`check what ${path} leads to`);
    await expect(carryOut(planOf({ prepare: [open, require(ino + 1)] }))).rejects.toMatchObject({ code: 'ESTALE', message });
  });

  it('lists of what the kernel tells only what has some bytes, up to so many', async () => {
    const links = async (having: string, most: number): Promise<number> => {
      const message = Buffer.alloc(32);
      // struct nlmsghdr and an empty struct ifinfomsg: RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP
      message.writeUInt32LE(32, 0);
      message.writeUInt16LE(18, 4);
      message.writeUInt16LE(0x301, 6);
      const list: Step = { op: 'netlink_list', host: true, socket: 0, what: 'list links', message, having: Buffer.from(having), most };
      const { outputs } = await carryOut(planOf({ prepare: [{ op: 'netlink_socket', host: true, out: 0, ns: NONE, protocol: 0 }, list] }));
      return parseReplies(outputs[0] ?? Buffer.alloc(0)).length;
    };
    expect(await links('\u0003\0lo\0', 2 ** 20)).toBe(1);
    expect(await links('no link has this name', 2 ** 20)).toBe(0);
    expect(await links('\u0003\0lo\0', 0)).toBe(0);
  });

  it('goes on with the steps that were kept when it began, and names the one that fails', async () => {
    const put = (name: string): Step => ({ op: 'put_file', host: true, at: NONE, path: join(folder, name), bytes: new Uint8Array() });
    const [store, uses] = [made('store'), made('uses')];
    const waits = (name: string): Step[] => [
      { op: 'leave_bridge', host: true, socket: NONE, group: 1, uses, lock: join(store, 'lock') },
      put(name),
    ];
    await during(planOf({}), nothing, async (task) => {
      const going = await withLock(store, 'exclusive', async () => {
        await task.call([keep(5, waits('first'))]);
        const calls = [task.call([kept(5, [])]), task.call([keep(5, waits('other'))])] as const;
        await calls[1];
        return calls;
      });
      await Promise.all(going);
      expect(['first', 'other'].map((name) => existsSync(join(folder, name)))).toEqual([true, false]);
      await expect(task.call([keep(5, [put('third'), unlink(one)]), kept(5, [])])).rejects.toMatchObject({
        code: 'EISDIR',
        message: expect.stringContaining(`run the steps that were kept: EISDIR (is a directory: remove ${one}`),
      });
      for (const step of [kept(5, []), keep(6, [])]) await expect(task.call([keep(5, [step])])).rejects.toMatchObject({ code: 'EPROTO' });
    });
  });

  it('that is undone after a failure never hides it', async () => {
    const failure = new NacelleError('the first', { code: 'ERR_TEST' });
    const error = await undone([await hold(planOf({ undo: [unlink(one)] }))], failure);
    expect(error).toMatchObject({ code: 'ERR_TEST', cleanupError: { path: one } });
    expect(await undone([await hold(planOf({}))], 'thrown')).toBe('thrown');
  });
});
