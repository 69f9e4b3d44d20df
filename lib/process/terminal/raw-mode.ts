import { rawModeOf } from '../../native/load-addon.js';

/** They end a process that does not listen to them, and Node then leaves its terminal as it is. */
const ENDS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'];

/**
 * Puts a terminal into raw mode: each key is read at once, as it is, and none is shown. The mode is taken back by the function that is
 * returned, at the end of the process, also by an exception, and by a signal that ends it. Idempotent.
 *
 * @throws SyscallError
 */
export function enterRawMode(fd: number): () => void {
  const leave = rawModeOf(fd);
  let isRaw = true;
  const restore = (): void => {
    process.off('exit', restore);
    for (const signal of ENDS) process.off(signal, end);
    if (isRaw) leave();
    isRaw = false;
  };
  const end = (signal: NodeJS.Signals): void => {
    restore();
    // our listener has kept the signal from ending the process; somebody else's may want to
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  process.on('exit', restore);
  for (const signal of ENDS) process.on(signal, end);
  return restore;
}
