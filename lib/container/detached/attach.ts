import { hasCode, NacelleError } from '../../errors.js';
import type { Connection } from '../../native/connection.js';
import { decodeListed, type KeptTask } from '../../native/messages.js';
import { Request } from '../../native/protocol.js';
import { connectTo } from '../../native/shim.js';
import type { Task } from '../../native/task.js';
import type { ContainerRecord } from '../start/container-record.js';
import { containerFolder, containerIds } from './container-folders.js';
import { taskOfTheDead } from './dead-shim.js';
import { idOf } from './names.js';
import { readNote } from './note.js';

/** A detached container as another process finds it. */
export interface Attached {
  readonly record: ContainerRecord;
  readonly task: Task;
  /** See TaskState; `null` for a container whose shim died after its end. */
  readonly state: number | null;
  /** `null` where there is no shim any more. */
  readonly connection: Connection | null;
}

/**
 * Finds a detached container by its id or name.
 *
 * @throws NacelleError `ERR_NO_CONTAINER`, `ERR_NOT_OWN`, `ERR_NOTE`, `ERR_SHIM_SILENT`, `ERR_SHIM_MESSAGE`, `ERR_SHIM_VERSION`, ShimError;
 * SyscallError
 */
export async function findContainer(idOrName: string): Promise<Attached> {
  const id = containerIds().includes(idOrName) ? idOrName : idOf(idOrName);
  const record = id === null ? null : readNote(id);
  if (id === null || record === null) throw noContainer(idOrName);
  const connection = connectToShim(id);
  if (connection === null) {
    const task = taskOfTheDead(id);
    if (task === null) throw noContainer(idOrName);
    return { record, task, state: null, connection };
  }
  try {
    await connection.introduce();
    const [kept] = decodeListed(await connection.ask(Request.list));
    const attached = kept === undefined ? null : await connection.attach(kept.key);
    if (attached === null) throw noContainer(idOrName);
    return { record, ...attached, connection };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** What the shim of a container tells of it; `null` where there is no such container, or it is being made or removed. */
export async function askShim(id: string): Promise<KeptTask | null> {
  const connection = connectToShim(id);
  if (connection === null) return null;
  try {
    const [kept] = decodeListed(await connection.ask(Request.list));
    return kept ?? null;
  } finally {
    connection.close();
  }
}

/** `null`: no shim serves there any more. */
export function connectToShim(id: string): Connection | null {
  try {
    return connectTo(containerFolder(id));
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ECONNREFUSED')) return null;
    throw error;
  }
}

function noContainer(idOrName: string): NacelleError {
  return new NacelleError(`there is no detached container ${idOrName}`, { code: 'ERR_NO_CONTAINER' });
}
