import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NacelleError } from '../../errors.js';
import { withRemovable } from '../../store/removable-lock.js';
import { containerFolder } from '../detached/container-folders.js';
import type { Life } from './life.js';

/**
 * Changes of what is noted of a container come one after the other, those of other processes too, each with what the last one left.
 *
 * @param what for messages: 'publish()'
 * @throws what the work throws; NacelleError `ERR_STATE` for a container that is removed
 */
export function inTurn<T>(life: Life, what: string, work: () => Promise<T>): Promise<T> {
  const next = async (): Promise<T> => {
    life.learn();
    return work();
  };
  const result = life.changing.then(() => (life.isDetached ? withRemovable(lockOf(life), () => requireFolder(life, what), next) : next()));
  life.changing = result.then(
    () => undefined,
    () => undefined,
  );
  return result;
}

function lockOf({ id }: Life): string {
  return join(containerFolder(id), 'note.lock');
}

function requireFolder({ id }: Life, what: string): void {
  if (!existsSync(containerFolder(id))) throw new NacelleError(`${what} of the container ${id}: it is removed`, { code: 'ERR_STATE' });
}
