import { NacelleError } from '../../errors.js';
import type { Life } from './life.js';

/** @throws as `Container.upgrade` */
export async function upgrade({ id, isDetached, connection }: Life): Promise<boolean> {
  if (!isDetached) throw new NacelleError(`upgrade the container ${id}: it is not detached`, { code: 'ERR_STATE' });
  if (connection === null || connection.closed)
    throw new NacelleError(`upgrade the container ${id}: its shim has gone`, { code: 'ERR_ENDED' });
  return connection.upgrade();
}
