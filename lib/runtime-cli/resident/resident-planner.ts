import { AsyncLocalStorage } from 'node:async_hooks';
import { closeSync, lstatSync, mkdirSync, openSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { argv, env, pid } from 'node:process';
import { errnoOf, toError } from '../../errors.js';
import type { CallerListener } from '../../native/binding.js';
import { clearTimeout, setTimeout } from '../../native/clock.js';
import { Deferred } from '../../native/deferred.js';
import { closeDescriptor, loadNative } from '../../native/load-addon.js';
import { requireOwn } from '../../native/own-folder.js';
import { makeRuntimeBase, runtimeDir } from '../../native/runtime-dir.js';
import { planForCallers } from '../../native/shim.js';
import { attempt, nativeError } from '../../native/system-errors.js';
import type { Caller } from '../caller/caller.js';
import { FrontConnection } from './front-connection.js';
import { packageFiles } from './package-files.js';
import { pathOfCaller } from './path-of-caller.js';
import { type Ask, decodeAsk, Message } from './resident-messages.js';

/** The socket in the folder of all states; as addon/shim/front/resident.h has it. */
export const RESIDENT_SOCKET = '@planner';

/** ms after which a planner that has nothing to do looks whether fronts find it. */
const LOOK_MS = 1000;

/** A command of nacelle-oci. @returns the exit status */
export type Command = (args: readonly string[], caller: Caller) => Promise<number>;

export interface ResidentOptions {
  /** Of all states. */
  readonly root: string;
  /** ms without a command after which the planner ends. */
  readonly idleMs: number;
  /** Variables that no command gets. */
  readonly cleared: readonly string[];
}

/**
 * Does commands for the fronts of a folder of states, until none has come for a while, or the package is another one.
 *
 * @throws NacelleError, SyscallError: it can't serve there
 */
export async function servePlanner({ root, idleMs, cleared }: ResidentOptions, command: Command): Promise<void> {
  const callers = new AsyncLocalStorage<FrontConnection>();
  // also a front that has gone: a shim of this process would be in other groups, and one for all
  planForCallers(() => callers.getStore());
  const script = attempt('find the command', () => realpathSync(argv[1] ?? ''));
  const own = packageFiles(realpathSync(loadNative().shim), script);
  makeRuntimeBase();
  requireOwn(runtimeDir());
  attempt(`make ${root}`, () => mkdirSync(root, { recursive: true, mode: 0o700 }));
  requireOwn(root, { closes: false });
  const over = new Deferred<void>();
  let busy = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const socket = listen(root, async (front) => {
    ++busy;
    clearTimeout(timer);
    try {
      const isOther = await callers.run(front, () => serve(front, { own, cleared, command }));
      if (isOther) socket.close();
    } finally {
      front.close();
      if (--busy === 0) wait(idleMs);
    }
  });
  // a socket that another planner has replaced, which may be at any time, is found by nobody
  const wait = (left: number): void => {
    if (left <= 0 || !socket.isFound()) over.resolve();
    else timer = setTimeout(() => wait(left - LOOK_MS), Math.min(left, LOOK_MS));
  };
  wait(idleMs);
  await over.promise;
  socket.close();
}

/** What a planner does commands with. */
interface Serving {
  readonly own: string;
  readonly cleared: readonly string[];
  readonly command: Command;
}

/** Does one command. @returns whether the front is another package's */
async function serve(front: FrontConnection, { own, cleared, command }: Serving): Promise<boolean> {
  const message = await front.next();
  if (message === null) return false;
  try {
    const ask = message.type === Message.ask ? understood(message.body) : null;
    const isOther = ask !== null && ask.package !== own;
    if (ask === null || isOther || ask.numbers.length !== message.fds.length || isForThisLibrary(ask) || !hasAskedForShim(front)) {
      front.send(Message.decline);
      return isOther;
    }
    const told: string[] = [];
    const fds = new Map(ask.numbers.map((number, index) => [number, message.fds[index] ?? -1]));
    const status = await command(ask.args, {
      env: Object.fromEntries(Object.entries(ask.env).filter(([name]) => !cleared.includes(name))),
      ...{ pid: front.pid, hasOwnStreams: false, absolute: (path) => pathOfCaller(front.pid, resolve(ask.cwd, path)) },
      descriptor: (number) => fds.get(number) ?? null,
      tell: (text) => void told.push(`${text}\n`),
      forwardSignals: (send) => front.forwardSignals(send),
      hasGone: () => front.gone,
    });
    await front.done(status, told.join(''));
    return false;
  } finally {
    for (const fd of message.fds) closeDescriptor(fd);
  }
}

/**
 * The shim starts while this thread reads and plans. Without it nothing is made: the front does the command by a Node of its own, which tells why, where that
 * fails too.
 */
function hasAskedForShim(front: FrontConnection): boolean {
  try {
    front.askForShim();
    return true;
  } catch {
    return false;
  }
}

function understood(body: Buffer): Ask | null {
  try {
    return decodeAsk(body);
  } catch {
    // whoever says such things gets no answer that would have it go on
    return null;
  }
}

/** Variables of the library are read where they are needed: a command that has other ones than this process is none for it. */
function isForThisLibrary({ env: theirs }: Ask): boolean {
  const names = [...Object.keys(theirs), ...Object.keys(env)].filter((name) => name.startsWith('NACELLE_'));
  return names.some((name) => theirs[name] !== env[name]);
}

/** A socket that serves. */
interface Serves extends CallerListener {
  /** Whether fronts find it. */
  isFound(): boolean;
}

/** Serves in the place of whoever did before and does not any more. @throws NacelleError, SyscallError */
function listen(root: string, onFront: (front: FrontConnection) => Promise<void>): Serves {
  const folder = attempt(`open ${root}`, () => openSync(root, 'r'));
  try {
    // the path itself may be longer than an address takes
    const below = `/proc/self/fd/${folder}`;
    const connected = loadNative().addon.connectLocal(join(below, RESIDENT_SOCKET));
    // there is one that serves, which speaks in another way than this asks
    if (connected === -constants.errno.EPROTOTYPE) throw nativeError(`serve in ${root}`, 'bind', constants.errno.EADDRINUSE);
    const name = `${RESIDENT_SOCKET}.${pid}`;
    const path = join(root, RESIDENT_SOCKET);
    const forget = (): void => attempt(`remove ${name} in ${root}`, () => rmSync(join(root, name), { force: true }));
    // a planner that had this number before may have been killed before its socket had its place
    forget();
    let listener: CallerListener | undefined;
    try {
      listener = opened(join(below, name), onFront);
      attempt(`serve at ${path}`, () => renameSync(join(root, name), path));
    } catch (error) {
      listener?.close();
      forget();
      throw error;
    }
    const { ino } = lstatSync(path, { bigint: true });
    const isFound = () => lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino === ino;
    return {
      isFound,
      close() {
        if (isFound()) rmSync(path, { force: true });
        listener.close();
      },
    };
  } finally {
    closeSync(folder);
  }
}

function opened(path: string, onFront: (front: FrontConnection) => Promise<void>): CallerListener {
  try {
    return new (loadNative().addon.CallerListener)(path, (fd, peer) => {
      // the command has told of all that fails in it: what is left is a failure of this process
      const front = new FrontConnection((...hooks) => new (loadNative().addon.Socket)({ connected: fd }, ...hooks), peer);
      onFront(front).catch((error: unknown) => {
        throw toError(error);
      });
    });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw nativeError(toError(error).message, 'bind', errno);
  }
}
