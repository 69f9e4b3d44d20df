import { NacelleError } from '../../errors.js';
import { writeBundle } from '../bundle/write-bundle.js';
import type { Life } from './life.js';

/** @throws as `container.toBundle` */
export async function toBundle(life: Life, path: string): Promise<{ left: string[] }> {
  if (life.removed !== null) throw new NacelleError(`write a bundle of the container ${life.id}: it was removed`, { code: 'ERR_CLOSED' });
  life.learn();
  const { record, held, state } = life;
  return writeBundle(path, { record: record.current, image: held.image, waitingPid: state === 'created' ? held.task.pid : null });
}
