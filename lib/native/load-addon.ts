import { closeSync, existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { arch, platform, versions } from 'node:process';
import { errnoOf, hasCode, toError, UnsupportedError } from '../errors.js';
import type { Binding, ChangeWatch, EventCounter, NativeTerminal } from './binding.js';
import { inBundle, ownFile } from './own-module.js';
import { PipeStream } from './pipe-stream.js';
import { readIfThere } from './read-if-there.js';
import { attempt, nativeError } from './system-errors.js';

interface Native {
  readonly addon: Binding;
  /** The shim's executable. */
  readonly shim: string;
}

let native: Native | undefined;

/** The addon, and where the shim's executable is. Loaded at the first use, so that importing works everywhere. */
export function loadNative(): Native {
  native ??= load();
  return native;
}

/** The addon's natives with their failures as errors. */
export function binding(): { pipe(): [number, number]; namespaceIoctl(fd: number, request: number): number } {
  const { addon } = loadNative();
  return {
    pipe() {
      const ends = addon.pipe();
      if (typeof ends === 'number') throw nativeError('make a pipe', 'pipe2', -ends);
      return ends;
    },
    namespaceIoctl: (fd, request) => addon.namespaceIoctl(fd, request),
  };
}

/** A copy of the shim's executable that nobody can change: a descriptor, which the caller closes. @throws SyscallError */
export function copyOfShim(): number {
  const { addon, shim } = loadNative();
  const fd = addon.copyShim(shim);
  if (fd < 0) throw nativeError(`copy the shim ${shim}`, 'open', -fd);
  return fd;
}

/** An eventfd whose events are given to `onEvents`. The caller closes it. */
export function eventCounter(onEvents: (count: number) => void): EventCounter {
  try {
    return new (loadNative().addon.EventCounter)(onEvents);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw nativeError(toError(error).message, 'eventfd2', errno);
  }
}

/** Hears of changes of folders that are added, and of mounts. */
export function changeWatch(): ChangeWatch {
  return new (loadNative().addon.ChangeWatch)();
}

/** Watches a descriptor that the addon made, or the shim sent, and which is closed with what this gives: a non-blocking master of a terminal, or a pipe. */
export function watchDescriptor(fd: number, onReady: (mayRead: boolean, mayWrite: boolean) => void): NativeTerminal {
  return new (loadNative().addon.Terminal)(fd, onReady);
}

/**
 * Puts a terminal of the caller's into raw mode (cfmakeraw(3)). @returns a function that takes the mode back, unless the terminal has gone
 *
 * @throws SyscallError (ENOTTY) for what is no terminal
 */
export function rawModeOf(fd: number): () => void {
  const { addon } = loadNative();
  const settings = addon.enterRawMode(fd);
  if (typeof settings === 'number') throw nativeError('put the terminal into raw mode', 'ioctl', -settings);
  return () => void addon.restoreMode(fd, settings);
}

/** Closes a descriptor that the addon made, or the shim sent: not one that node:fs opened, of which Node keeps account in Workers. */
export function closeDescriptor(fd: number): void {
  const result = loadNative().addon.closeDescriptor(fd);
  if (result < 0) throw nativeError('close a descriptor', 'close', -result);
}

/** Locks a file (fcntl(2), open file description locks) until it is closed; `false`: another open file has the lock. */
export function tryLock(fd: number, kind: 'shared' | 'exclusive'): boolean {
  const result = loadNative().addon.tryLock(fd, kind === 'exclusive');
  if (result === -constants.errno.EAGAIN || result === -constants.errno.EACCES) return false;
  if (result < 0) throw nativeError('lock a file', 'fcntl', -result);
  return true;
}

/**
 * A stream over an end of a pipe that the addon made, or over a socket. The end is closed with the stream, and at once when no stream can be
 * made.
 */
export function streamOf(fd: number, options: { readable: boolean; writable: boolean; allowHalfOpen?: boolean }): Socket {
  let stream: Socket;
  try {
    stream = attempt('watch a stream', () => new PipeStream({ fd, ...options }));
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
  // this comes last: until here the addon closes the end when a Worker is terminated
  releaseDescriptor(fd);
  return stream;
}

/** A connection to a socket of the unix domain, and who listens there. */
export interface LocalStream {
  readonly stream: Socket;
  /** In this process's pid namespace; 0 for a process that is not in it. */
  readonly pid: number;
  readonly uid: number;
}

/** Connects to a path, or to an abstract address, which begins with NUL (unix(7)). @throws SyscallError */
export function connectLocal(address: string): LocalStream {
  const connected = loadNative().addon.connectLocal(address);
  if (typeof connected === 'number') throw nativeError(`connect to ${address.replace('\0', '@')}`, 'connect', -connected, address);
  const { fd, pid, uid } = connected;
  return { stream: streamOf(fd, { readable: true, writable: true }), pid, uid };
}

/** A pipe to or from a process: a stream over the end that is ours, and the other end, which the caller closes. @throws SyscallError */
export function streamedPipe(ours: 'read' | 'write'): { readonly stream: Socket; readonly other: number } {
  const [readEnd, writeEnd] = binding().pipe();
  const [own, other] = ours === 'read' ? [readEnd, writeEnd] : [writeEnd, readEnd];
  try {
    return { stream: streamOf(own, { readable: ours === 'read', writable: ours === 'write' }), other };
  } catch (error) {
    closeDescriptor(other);
    throw error;
  }
}

/** The same open file by another descriptor, which {@link closeDescriptor} closes. @throws SyscallError */
export function duplicateDescriptor(fd: number): number {
  const own = loadNative().addon.duplicateDescriptor(fd);
  if (own < 0) throw nativeError('duplicate a descriptor', 'fcntl', -own);
  return own;
}

/** To be called when another owner, such as a stream, closes a descriptor from now on. */
export function releaseDescriptor(fd: number): void {
  loadNative().addon.releaseDescriptor(fd);
}

/** Replaces a descriptor that node:fs opened by one of the same open file that {@link closeDescriptor} closes. */
export function adoptDescriptor(fd: number): number {
  try {
    return duplicateDescriptor(fd);
  } finally {
    closeSync(fd);
  }
}

function load(): Native {
  if (platform !== 'linux') {
    throw new UnsupportedError('nacelle', `it needs Linux, this is ${platform}`, 'Run it on Linux, in a virtual machine for example.');
  }
  const runtime = otherRuntime();
  // other runtimes load the addon, and crash at what it asks of libuv
  if (runtime !== null) {
    throw new UnsupportedError('nacelle', `${runtime} lacks what its native part needs of Node`, 'Run the program that uses it with Node.');
  }
  const failures: string[] = [];
  for (const folder of candidates()) {
    const addon = join(folder, 'nacelle.node');
    const shim = join(folder, 'nacelle-shim');
    if (!existsSync(addon) || !existsSync(shim)) {
      failures.push(`${folder}: not there`);
      continue;
    }
    try {
      const exports: Binding = createRequire(join(folder, 'load.cjs'))(addon);
      return { addon: exports, shim };
    } catch (error) {
      failures.push(`${folder}: ${toError(error).message}`);
    }
  }
  throw new UnsupportedError(
    'nacelle',
    `its native part can't be loaded (${failures.join('; ')})`,
    canBeBuilt()
      ? 'Build it with "npm rebuild nacelle"; that needs g++, make and python3.'
      : `Install ${nativePackage()}, which npm leaves out with --omit=optional. There are such packages for x64 and arm64: for another machine make one of the sources, by "npm pack".`,
  );
}

/** Whether the package is that of the sources, which compiles its native part when it is installed. */
function canBeBuilt(): boolean {
  return existsSync(join(packageRoot(dirname(ownFile())), 'binding.gyp'));
}

/** The name of a runtime that is not Node, also of one that says that it is Node. */
function otherRuntime(): string | null {
  if (versions.bun !== undefined) return `Bun ${versions.bun}`;
  return versions.deno === undefined ? null : `Deno ${versions.deno}`;
}

/** Where the native part may be: a build of the tests, a build from source, one that was built before, a package for this kind of machine. */
function* candidates(): Generator<string> {
  const override = process.env.NACELLE_BUILD_DIR;
  if (override) return yield override;
  const root = packageRoot(dirname(ownFile()));
  yield join(root, 'build', 'Release');
  yield join(root, 'prebuilds', `linux-${arch}`);
  const found = nativePackageFolder();
  if (found !== null) yield found;
}

/** The package that has the native part of the published one, for one kind of machine (scripts/package.mjs). */
const nativePackage = (): string => `nacelle-linux-${arch}`;

function nativePackageFolder(): string | null {
  try {
    return dirname(createRequire(ownFile()).resolve(`${nativePackage()}/package.json`));
  } catch (error) {
    if (hasCode(error, 'MODULE_NOT_FOUND')) return null;
    throw error;
  }
}

function packageRoot(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (isOwn(join(at, 'package.json'))) return at;
    if (dirname(at) === at) throw inBundle();
  }
}

/** Whether a package.json is this package's: not that of a program which has this code in its bundle. */
function isOwn(file: string): boolean {
  return /^\s*\{\s*"name"\s*:\s*"nacelle"/.test(readIfThere(file) ?? '');
}
