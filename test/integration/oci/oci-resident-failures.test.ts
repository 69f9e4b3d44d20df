import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { closeDescriptor, loadNative } from '../../../lib/native/load-addon.js';
import { packageFiles } from '../../../lib/runtime-cli/resident/package-files.js';
import { encodeStrings, Message } from '../../../lib/runtime-cli/resident/resident-messages.js';
import { limitFor } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { useResidentPlanner, writable } from '../../fixtures/resident-planner.js';
import { type BundleChange, makeBundle } from '../../fixtures/runtime-bundle.js';
import { traced } from '../../fixtures/strace.js';
import { until } from '../../fixtures/until.js';

// What one front does, or can't have done, is nothing to the others.

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'prlimit', 'strace'] });
const { folder, states, socket, script, front, oci, started, planners, sleepers, resident } = useResidentPlanner();

/** A container that runs. @returns its root */
async function running(id: string, change: BundleChange = writable): Promise<string> {
  const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], change);
  for (const command of [
    ['create', '--bundle', bundle, id],
    ['start', id],
  ])
    expect(await oci(...command)).toMatchObject({ code: 0, stderr: '' });
  return join(bundle, 'rootfs');
}

/** A program of another front, which goes on until it may end. */
async function waiting(id: string, root: string) {
  const call = oci('exec', id, 'busybox', 'sh', '-c', 'echo > /ready; until [ -e /go ]; do busybox usleep 10000; done; exit 7');
  await until('the program runs', () => existsSync(join(root, 'ready')));
  return () => {
    writeFileSync(join(root, 'go'), '');
    return call;
  };
}

interface Came {
  readonly type: number;
  readonly body: string;
  readonly fds: readonly number[];
}

/** Asks the planner as a front does, and from then on says what the test says. */
function asFront(...args: string[]) {
  const place = mkdtempSync(join(folder, 'place-'));
  symlinkSync(socket, join(place, 'shim.sock'));
  const came: Came[] = [];
  let isClosed = false;
  const connection = new (loadNative().addon.Socket)(
    { folder: place },
    (type, _, body, fds) => void came.push({ type, body: body.toString(), fds }),
    () => {
      isClosed = true;
    },
  );
  const send = (type: number, body: Uint8Array = new Uint8Array(), fds: readonly number[] = []): void =>
    void connection.send(type, 0, body, [...fds]);
  const words = ['--root', states, ...args];
  const env = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
  const nothing = openSync('/dev/null', 'r+');
  const ask = encodeStrings(packageFiles(loadNative().shim, script), '/', '0 1 2', String(words.length), ...words, ...env);
  send(Message.ask, ask, [nothing, nothing, nothing]);
  closeSync(nothing);
  return {
    send,
    hears: (type: number): Promise<Came> =>
      until(`a message of type ${type} has come`, () => {
        const found = came.find((message) => message.type === type);
        if (found === undefined && isClosed) throw new Error(`the planner has let go: ${JSON.stringify(came)}`);
        return found;
      }),
    isClosed: () => isClosed,
    end: () => {
      connection.close();
      for (const { fds } of came) for (const fd of fds) closeDescriptor(fd);
    },
  };
}

describe('a resident planner', () => {
  it('waits for no shim that does not serve, and serves others then', async () => {
    const pid = await resident();
    await running('one');
    started();
    const held = asFront('exec', 'one', 'busybox', 'true');
    try {
      await held.hears(Message.spawn);
      // it says that there is a shim, and there is none: the other end of its socket stays open here
      held.send(Message.go);
      const [status, told] = (await held.hears(Message.done)).body.split('\0');
      expect([status, told]).toEqual(['255', expect.stringMatching(/^wait for the shim: ETIMEDOUT/)]);
    } finally {
      held.end();
    }
    expect(await oci('exec', 'one', 'busybox', 'true')).toMatchObject({ code: 0 });
    expect([started(), planners()]).toEqual([[], [pid]]);
  });

  it.each(['9', 'TERM', '99', ''])('lets go of a front that says it has heard the signal %j, and of no other', async (signal) => {
    const pid = await resident();
    const goOn = await waiting('one', await running('one'));
    started();
    const wrong = asFront('exec', 'one', 'busybox', 'true');
    try {
      await wrong.hears(Message.spawn);
      wrong.send(Message.signal, encodeStrings(signal));
      await until('the planner has let go', () => wrong.isClosed());
    } finally {
      wrong.end();
    }
    expect(await goOn()).toMatchObject({ code: 7 });
    expect([started(), planners()]).toEqual([[], [pid]]);
  });

  it('has the front do by itself what it lacks descriptors for, and goes on', async () => {
    const pid = await resident();
    await running('one');
    started();
    const [, hard = ''] = /^Max open files +\d+ +(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8')) ?? [];
    const limit = (soft: number | string): void => void execFileSync('prlimit', ['--pid', String(pid), `--nofile=${soft}:`]);
    // it has closed all of what it did before when it does what comes next
    const last = asFront('exec', 'one', 'busybox', 'true');
    await last.hears(Message.spawn);
    last.send(Message.ended);
    await until('the planner has let go', () => last.isClosed());
    last.end();
    const done = await until('the planner lacks what it asks for a shim by', async () => {
      // the connection and the three streams, but no pair of sockets
      limit(limitFor(pid, 5));
      const ended = await oci('exec', 'one', 'busybox', 'true');
      limit(hard);
      // one that the planner was about to close may have been counted as open: it had the pair, and not always what comes after that
      const fronts = started();
      return fronts.length > 0 ? { ended, fronts } : null;
    });
    expect(done).toMatchObject({ ended: { code: 0, stderr: '' }, fronts: ['exec one busybox true'] });
    expect(await oci('exec', 'one', 'busybox', 'true')).toMatchObject({ code: 0, stderr: '' });
    expect([started(), planners()]).toEqual([[], [pid]]);
  });

  it('lets go at once of whom it has no descriptor for', async () => {
    const pid = await resident();
    await traced(pid, folder, { follow: false, faults: [{ call: 'accept4', error: 'EMFILE', when: '1' }] }, async () => {
      const refused = asFront('exec', 'nobody', 'true');
      try {
        await until('the planner has let go', () => refused.isClosed());
      } finally {
        refused.end();
      }
    });
    expect(await oci('exec', 'nobody', 'true')).toMatchObject({ code: 255, stderr: 'container does not exist\n' });
    expect([started(), planners()]).toEqual([[], [pid]]);
  });

  it('does not ask again and again where it can take nobody in', async () => {
    const pid = await resident();
    const { value: waited, lines } = await traced(
      pid,
      folder,
      { follow: false, faults: [{ call: 'accept4', error: 'EMFILE', when: '1+' }], trace: ['accept4', 'epoll_pwait', 'epoll_wait'] },
      async () => {
        const begun = asFront('exec', 'nobody', 'true');
        await until('it has asked twice', () => readFileSync(join(folder, 'trace'), 'utf8').split('EMFILE').length > 4);
        return begun;
      },
    );
    try {
      const asked = lines.filter((line) => line.includes('EMFILE')).length;
      // between two tries it waits for nothing but time
      const pauses = lines.filter((line) => /epoll_p?wait.* = 0$/.test(line)).length;
      expect(asked).toBeLessThanOrEqual(2 * (pauses + 1));
      await waited.hears(Message.spawn);
      expect(planners()).toEqual([pid]);
    } finally {
      waited.end();
    }
  });

  it('leaves to `delete --force` what a front was making that was killed, and ends nothing of others', async () => {
    const pid = await resident();
    const goOn = await waiting('one', await running('one'));
    started();
    const begun = join(folder, 'begun');
    const hook = { path: '/bin/sh', args: ['sh', '-c', `echo > ${begun}; exec sleep 100013`] };
    const bundle = makeBundle(folder, ['busybox', 'true'], (config) => void Object.assign(config, { hooks: { createRuntime: [hook] } }));
    const child = spawn(front, ['--root', states, 'create', '--bundle', bundle, 'two'], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    await until('the hook runs', () => existsSync(begun) && sleepers('100013').length === 1);
    child.kill('SIGKILL');
    await ended;
    await until('the hook has ended', () => sleepers('100013').length === 0);
    expect(await oci('delete', '--force', 'two')).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(states).filter((name) => !name.startsWith('@'))).toEqual(['one']);
    expect(await goOn()).toMatchObject({ code: 7 });
    expect(planners()).toEqual([pid]);
  });
});
