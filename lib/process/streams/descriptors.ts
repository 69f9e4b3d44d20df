import { once } from 'node:events';
import { close as closeCallback, constants, fstatSync, open as openCallback, type Stats, stat as statCallback } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { promisify } from 'node:util';
import { invalidOption } from '../../errors.js';
import { loadNative } from '../../native/load-addon.js';
import { attempting } from '../../native/system-errors.js';

const [open, close, stat] = [promisify(openCallback), promisify(closeCallback), promisify(statCallback)];

/**
 * How a confined program gets a descriptor of the caller's: `given` is passed on as it is, `null` becomes the container's own null device,
 * and a `file` is copied from or to.
 */
export type DescriptorKind = 'given' | 'null' | 'file';

/** @throws NacelleError `ERR_INVALID_OPTION` for a descriptor that is not open, and for one of the sockets between Node and the shim */
export function checkOpen(fd: number, option: string): Stats {
  let status: Stats;
  try {
    status = fstatSync(fd);
  } catch (cause) {
    throw invalidOption(option, `file descriptor ${fd} is not open`, cause);
  }
  if (status.isSocket() && loadNative().addon.isOwnSocket(fd)) throw invalidOption(option, `file descriptor ${fd} is nacelle's own`);
  return status;
}

/**
 * @throws NacelleError `ERR_INVALID_OPTION`: as {@link checkOpen}, and for a descriptor that gives more than a stream's use, such as that
 * of a folder
 */
export function kindOf(fd: number, option: string): { kind: DescriptorKind; file: string } {
  const status = checkOpen(fd, option);
  const file = `${status.dev}:${status.ino}`;
  if (status.isFile()) return { kind: 'file', file };
  if (isNull(status)) return { kind: 'null', file };
  if (status.isFIFO() || status.isSocket() || isatty(fd)) return { kind: 'given', file };
  throw invalidOption(option, `file descriptor ${fd} is ${wordsFor(status)}: a file, pipe, socket or terminal is wanted`);
}

/** Linux's number for the null device: character 1:3. */
function isNull(status: Stats): boolean {
  return status.isCharacterDevice() && status.rdev === 0x103;
}

function wordsFor(status: Stats): string {
  if (status.isDirectory()) return 'a folder';
  if (status.isFIFO()) return 'a FIFO';
  if (status.isSocket()) return 'a socket';
  return status.isBlockDevice() || status.isCharacterDevice() ? 'a device' : 'of a kind that is no stream';
}

/**
 * The descriptor of a stream that can be handed over as it is. `null` where Node must copy the stream's data: the stream has no descriptor,
 * has a position of its own, or holds data. Node's sockets are never handed over: they are non-blocking, and the program's stdin would be
 * too.
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

const { O_RDONLY, O_WRONLY, O_CREAT, O_TRUNC, O_APPEND, O_NOCTTY, O_NONBLOCK } = constants;

/** Looks at the file that an input is to come from. @throws SyscallError; NacelleError `ERR_INVALID_OPTION` for what is no file */
export async function inputFile(file: string, option: string): Promise<'file' | 'null'> {
  const status = await attempting(`open ${file} as ${option}`, () => stat(file));
  return fileKind(status, file, option);
}

/** Opens the file that an input comes from. The call never blocks. @throws as {@link inputFile} */
export function openInput(file: string, option: string): Promise<number> {
  return openChecked(file, O_RDONLY, option);
}

/**
 * Opens the file that an output goes to, and makes it with mode 0644 where there is none. The call never blocks: a FIFO is refused.
 *
 * @throws SyscallError; NacelleError `ERR_INVALID_OPTION` for what is no file
 */
export function openOutput(file: string, append: boolean, option: string): Promise<number> {
  return openChecked(file, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), option);
}

async function openChecked(file: string, flags: number, option: string): Promise<number> {
  const fd = await attempting(`open ${file} as ${option}`, () => open(file, flags | O_NOCTTY | O_NONBLOCK, 0o644));
  try {
    fileKind(fstatSync(fd), file, option);
    return fd;
  } catch (error) {
    await close(fd);
    throw error;
  }
}

function fileKind(status: Stats, file: string, option: string): 'file' | 'null' {
  if (status.isFile()) return 'file';
  if (isNull(status)) return 'null';
  throw invalidOption(option, `${file} is ${wordsFor(status)}: open it yourself, and give the descriptor or a stream`);
}
