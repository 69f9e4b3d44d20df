import { readFileSync } from 'node:fs';
import { NacelleError } from '../../errors.js';
import { readIfThere } from '../../native/read-if-there.js';
import { attempt } from '../../native/system-errors.js';
import { writeBundle } from '../bundle/write-bundle.js';
import type { Life } from './life.js';

/** @throws as `container.toBundle` */
export async function toBundle(life: Life, path: string): Promise<{ left: string[] }> {
  if (life.removed !== null) throw new NacelleError(`write a bundle of the container ${life.id}: it was removed`, { code: 'ERR_CLOSED' });
  life.learn();
  const { record, held, state } = life;
  const waitingStatus = state === 'created' ? () => statusOfWaiting(life) : null;
  return writeBundle(path, { record: record.current, image: held.image, waitingStatus });
}

/** By a pidfd, which says afterwards that the process still had its number: another process may have got that meanwhile. */
function statusOfWaiting({ id, firstProcess }: Life): Promise<string> {
  return firstProcess.use(async (pidfd) => {
    const status = attempt('read the ids of the program', () => {
      const pid = pidOf(pidfd);
      const read = pid > 0 ? readIfThere(`/proc/${pid}/status`) : null;
      return pidOf(pidfd) === pid ? read : null;
    });
    if (status === null) throw new NacelleError(`write a bundle of the container ${id}: its process has ended`, { code: 'ERR_ENDED' });
    return status;
  });
}

/** The number of the process of a pidfd, here; -1 when the process has ended (proc_pid_fdinfo(5)). */
function pidOf(pidfd: number): number {
  return Number(/^Pid:\s*(-?\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${pidfd}`, 'utf8'))?.[1] ?? -1);
}
