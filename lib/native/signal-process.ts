import { constants } from 'node:os';
import { closeDescriptor, loadNative } from './load-addon.js';
import { nativeError } from './system-errors.js';

/** How many processes are held at once: each takes a descriptor. */
const AT_ONCE = 100;

/**
 * Sends a signal to processes of which only the numbers are known: each is held by a descriptor first (pidfd_open(2), Linux 5.3), then it is asked which of
 * the numbers are still those that are meant. So a process that gets the number of one that has ended hears of nothing.
 *
 * @param meant those that are still meant, of the numbers that are held. It is asked once for each hundred
 * @throws SyscallError, but for processes that have ended
 */
export function signalProcesses(pids: readonly number[], signal: number, meant: (held: readonly number[]) => Iterable<number>): void {
  for (let at = 0; at < pids.length; at += AT_ONCE) signalHeld(pids.slice(at, at + AT_ONCE), signal, meant);
}

function signalHeld(pids: readonly number[], signal: number, meant: (held: readonly number[]) => Iterable<number>): void {
  const { addon } = loadNative();
  const held = new Map<number, number>();
  try {
    // of a process in another pid namespace the kernel tells 0
    for (const pid of pids.filter((number) => number > 0)) {
      const fd = addon.openProcess(pid);
      if (fd >= 0) held.set(pid, fd);
      else if (fd !== -constants.errno.ESRCH) throw nativeError(`find the process ${pid}`, 'pidfd_open', -fd);
    }
    if (held.size === 0) return;
    const still = new Set(meant([...held.keys()]));
    for (const [pid, fd] of held) {
      const result = still.has(pid) ? addon.signalProcess(fd, signal) : 0;
      if (result < 0 && result !== -constants.errno.ESRCH)
        throw nativeError(`send the signal ${signal} to the process ${pid}`, 'pidfd_send_signal', -result);
    }
  } finally {
    for (const fd of held.values()) closeDescriptor(fd);
  }
}
