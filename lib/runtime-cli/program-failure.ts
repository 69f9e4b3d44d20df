import { SyscallError } from '../errors.js';
import { errnoName, errnoWords } from '../native/system-errors.js';

/** Of a program that execve(2) refuses, in runc's words, which callers look for. */
export function programFailure(path: string, errno: number): SyscallError {
  return new SyscallError(`exec ${path}: ${errnoWords(errno) || errnoName(errno)}`, {
    errno,
    errnoName: errnoName(errno),
    syscall: 'execve',
    step: 'exec',
    path,
  });
}

/** What a caller is told of a failure: that of the program has runc's words first. */
export function toldOf(error: Error): string {
  if (!(error instanceof SyscallError) || error.step !== 'exec' || error.path === null) return error.message;
  const { message } = programFailure(error.path, error.errno);
  return error.hint === null ? message : `${message}. ${error.hint}`;
}
