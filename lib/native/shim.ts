import { errnoOf, toError } from '../errors.js';
import type { Plan } from '../plan/plan.js';
import type { Binding, ShimSocket } from './binding.js';
import { Connection } from './connection.js';
import { loadNative } from './load-addon.js';
import { requireOwn } from './own-folder.js';
import { makeRuntimeBase, runtimeDir } from './runtime-dir.js';
import { nativeError } from './system-errors.js';
import type { Beginning, StartPlan } from './task.js';

let connection: Connection | undefined;

/** This environment's connection to the shim of its process, which is started when there is none. */
function connected(): Connection {
  if (!connection || connection.closed) connection = new Connection((...hooks) => openSocket({}, hooks));
  return connection;
}

export const start: StartPlan = (plan, descriptors, cancelSignal = null) => connected().startPlan(plan, descriptors, cancelSignal);

/** Sends the first part of a plan, which is `body` as it travels: it waits in the shim. */
export function beginLater(first: Plan, body: Uint8Array): Beginning {
  const task = connected().startLater(first, body);
  task.unref();
  return task;
}

/** The name under which this process's groups and records are made. Starts the shim. */
export function ownerName(): string {
  return connected().owner;
}

/** Starts a shim of its own for a detached container, which is its owner's name too. The shim outlives this process once it has a task to keep. */
export function launchShim(owner: string): Connection {
  return new Connection((...hooks) => openSocket({ detached: owner }, hooks));
}

type Hooks = [onMessage: (type: number, id: number, body: Buffer, fds: number[]) => void, onClose: () => void];

/** @throws SyscallError: the shim could not be started */
function openSocket(more: Partial<ConstructorParameters<Binding['Socket']>[0]>, hooks: Hooks): ShimSocket {
  const { addon, shim } = loadNative();
  makeRuntimeBase();
  requireOwn(runtimeDir());
  return withErrno('posix_spawn', () => new addon.Socket({ shim, runtimeDir: runtimeDir(), ...more }, ...hooks));
}

/** Connects to the shim that serves in a folder. @throws SyscallError: ENOENT, ECONNREFUSED where none does any more */
export function connectTo(folder: string): Connection {
  return new Connection((...hooks) => withErrno('connect', () => new (loadNative().addon.Socket)({ folder }, ...hooks)));
}

function withErrno(syscall: string, open: () => ShimSocket): ShimSocket {
  try {
    return open();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw nativeError(toError(error).message, syscall, errno);
  }
}
