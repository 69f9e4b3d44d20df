import { basename } from 'node:path';
import { errnoOf, toError } from '../errors.js';
import type { Binding, ShimSocket } from './binding.js';
import { Connection } from './connection.js';
import { loadNative } from './load-addon.js';
import { requireOwn } from './own-folder.js';
import { makeRuntimeBase, runtimeDir } from './runtime-dir.js';
import { nativeError } from './system-errors.js';
import type { StartPlan } from './task.js';

let connection: Connection | undefined;

/** The shim that carries out the plans of whoever this process plans for. */
export interface CallersShim {
  /** @throws ShimError where it has gone, or {@link ensureShim} was not waited for: nothing is done in its place */
  connection(): Connection;
  /** As {@link endShim}. */
  end(): Promise<void>;
  /** Has the shim end, and waits for nothing. */
  letGo(): void;
  /** As {@link ensureShim}. */
  ensureShim(): Promise<void>;
}

let callersShim: () => CallersShim | undefined = () => undefined;

/** Has plans carried out by other processes' shims. @param current for whom this process plans just now; `undefined`: for itself */
export function planForCallers(current: () => CallersShim | undefined): void {
  callersShim = current;
}

/** This environment's connection to the shim of its process, which is started when there is none. */
function connected(): Connection {
  const callers = callersShim();
  if (callers !== undefined) return callers.connection();
  if (!connection || connection.closed) connection = new Connection((...hooks) => openSocket({}, hooks));
  return connection;
}

let isAhead = false;

/** Has the shim of this process started while this thread does other things. Does so once. A failure is told to whoever needs the shim. */
export function startShimAhead(): void {
  if (isAhead || connection !== undefined || callersShim() !== undefined) return;
  isAhead = true;
  try {
    const { addon, shim } = loadNative();
    makeRuntimeBase();
    requireOwn(runtimeDir());
    addon.startShim(shim, runtimeDir());
  } catch {
    // the same is done, and told, when the shim is needed
  }
}

/** Whoever carries plans out. */
export type Shim = Pick<Connection, 'owner' | 'pid' | 'startPlan' | 'startLater' | 'startPool'>;

/** The shim of this process, which has this process's own rights. It is started when there is none. @throws SyscallError */
export function ownShim(): Shim {
  return connected();
}

/** The same, or that of whoever this process plans for, once it is there. @throws ShimError; SyscallError */
export async function readyShim(): Promise<Shim> {
  await ensureShim();
  return connected();
}

export const start: StartPlan = (plan, descriptors, cancelSignal = null) => connected().startPlan(plan, descriptors, cancelSignal);

/**
 * Ends this environment's connection to its shim, also one that was only started ahead, and waits until the shim has gone: a program that it has handed over then belongs to whoever is the
 * subreaper above. Nothing happens where there is no shim.
 */
export async function endShim(): Promise<void> {
  const callers = callersShim();
  if (callers !== undefined) return callers.end();
  if (!connection && !isAhead) return;
  connection?.close();
  connection = undefined;
  isAhead = false;
  loadNative().addon.endShim();
}

/** Has the shim end of whoever this process plans for, who waits for that: nothing more is asked of it. This process's own ends by {@link endShim}. */
export function letGoShim(): void {
  callersShim()?.letGo();
}

/**
 * Waits until the shim is there of whoever this process plans for: before that nothing may be made for them. After {@link endShim} they are asked for another one.
 * This process's own is started where it is needed.
 *
 * @throws ShimError
 */
export async function ensureShim(): Promise<void> {
  await callersShim()?.ensureShim();
}

/** The name under which this process's groups and records are made. Starts the shim. */
export function ownerName(): string {
  return connected().owner;
}

/** Shims that this environment has started and that are no children of this process. */
const launched = new Set<Connection>();

function noted(connection: Connection): Connection {
  for (const other of launched) if (other.closed) launched.delete(other);
  launched.add(connection);
  return connection;
}

/** Whether a process is a shim that this environment has started, though it has another parent. */
export function isLaunchedShim(pid: number): boolean {
  return [...launched].some((connection) => !connection.closed && connection.pid === pid);
}

/** Starts a shim of its own for a detached container, which is its owner's name too. The shim outlives this process once it has a task to keep. */
export function launchShim(owner: string): Connection {
  return noted(new Connection((...hooks) => openSocket({ detached: owner }, hooks), owner));
}

/** A shim that is root of a user namespace (addon/shim/wire/mapping.h). */
export interface MappedLaunch {
  /** The owner's name of a detached container, which the shim then is for. */
  readonly detached?: string | undefined;
  /** The user namespace to enter, which has its maps; else a new one. */
  readonly joined?: number | undefined;
  /** Writes the maps of the process, which waits for them meanwhile. */
  readonly writeMaps: (pid: number) => Promise<void>;
}

/** Starts a mapped shim, which ends with this environment, or outlives it as {@link launchShim} says. @throws SyscallError; as `writeMaps` */
export async function launchMappedShim({ detached, joined, writeMaps }: MappedLaunch): Promise<Connection> {
  const given = { ...(detached === undefined ? {} : { detached }), ...(joined === undefined ? {} : { joined }) };
  const connection = new Connection((...hooks) => openSocket({ mapped: true, ...given }, hooks), detached ?? null);
  try {
    if (joined === undefined) await writeMaps(connection.pid);
    withErrno('execveat', () => connection.goOn());
    return noted(connection);
  } catch (error) {
    connection.close();
    throw error;
  }
}

type Hooks = [onMessage: (type: number, id: number, body: Buffer, fds: number[]) => void, onClose: () => void];

/** @throws SyscallError: the shim could not be started */
function openSocket(more: Partial<ConstructorParameters<Binding['Socket']>[0]>, hooks: Hooks): ShimSocket {
  const { addon, shim } = loadNative();
  makeRuntimeBase();
  requireOwn(runtimeDir());
  return withErrno('posix_spawn', () => new addon.Socket({ shim, runtimeDir: runtimeDir(), ...more }, ...hooks));
}

/** Connects to the shim of a detached container, which serves in the container's folder. @throws SyscallError: ENOENT, ECONNREFUSED where none does any more */
export function connectTo(folder: string): Connection {
  return new Connection((...hooks) => withErrno('connect', () => new (loadNative().addon.Socket)({ folder }, ...hooks)), basename(folder));
}

function withErrno<T>(syscall: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw nativeError(toError(error).message, syscall, errno);
  }
}

/** Connects to a shim that another process starts with the other end of a socket, and waits until it serves. @throws SyscallError */
export function connectByControl(control: number, owner: string): Connection {
  return new Connection((...hooks) => withErrno('posix_spawn', () => new (loadNative().addon.Socket)({ control, owner }, ...hooks)));
}
