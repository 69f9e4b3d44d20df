import { once } from 'node:events';
import { constants, fstatSync, open as openCallback } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { getSystemErrorMap, promisify } from 'node:util';
import { invalidOption, SyscallError } from '../errors.js';

const open = promisify(openCallback);

/** A descriptor of the caller's, or of Node's: it must be open. */
export function checkOpen(fd: number, option: string): void {
  try {
    fstatSync(fd);
  } catch (cause) {
    throw invalidOption(option, `file descriptor ${fd} is not open`, cause);
  }
}

/**
 * The descriptor of a stream that can be handed over as it is, `null` where the stream must be pumped:
 * it has none, has a position of its own, or holds data. Sockets of Node's are never handed over: they
 * are non-blocking, and so would be the program's stdin.
 */
export function directDescriptor(stream: Readable | Writable): number | null {
  if (!('fd' in stream) || typeof stream.fd !== 'number' || stream.fd < 0) return null;
  // Options of fs.ReadStream and fs.WriteStream; everywhere else `end` is a method.
  const [start, end]: unknown[] = [Reflect.get(stream, 'start'), Reflect.get(stream, 'end')];
  if (start !== undefined || (typeof end === 'number' && end !== Number.POSITIVE_INFINITY)) return null;
  const begun = ('bytesRead' in stream && stream.bytesRead !== 0) || ('readableLength' in stream && stream.readableLength > 0);
  return begun || ('writableLength' in stream && stream.writableLength > 0) ? null : stream.fd;
}

/** Waits until a file stream that was just made has opened its file. */
export async function untilOpen(stream: Readable | Writable, option: string): Promise<void> {
  if (!('pending' in stream) || stream.pending !== true || !('path' in stream) || stream.destroyed) return;
  try {
    await once(stream, 'open');
  } catch (cause) {
    throw invalidOption(option, 'its file could not be opened', cause);
  }
}

const { O_RDONLY, O_WRONLY, O_CREAT, O_TRUNC, O_APPEND, O_NOCTTY } = constants;

/** Opens a file for one of the standard streams. */
export async function openFile(file: string, mode: 'read' | 'write' | 'append', option: string): Promise<number> {
  const flags = mode === 'read' ? O_RDONLY : O_WRONLY | O_CREAT | (mode === 'append' ? O_APPEND : O_TRUNC);
  try {
    return await open(file, flags | O_NOCTTY, 0o644);
  } catch (cause) {
    if (!(cause instanceof Error) || !('errno' in cause) || typeof cause.errno !== 'number') throw cause;
    const [name, words] = getSystemErrorMap().get(cause.errno) ?? ['UNKNOWN', cause.message];
    const details = { errno: -cause.errno, errnoName: name, syscall: 'open', path: file, cause };
    throw new SyscallError(`open ${file} as ${option}: ${words} (${name})`, details);
  }
}
