import { isFrozen } from '../../cgroup/freezer.js';
import { hasCode } from '../../errors.js';
import { TaskState } from '../../native/protocol.js';
import type { ContainerInfo, State } from '../options/list-types.js';
import { networkNames } from '../start/container-record.js';
import { askShim } from './attach.js';
import { containerIds } from './container-folders.js';
import { taskOfTheDead } from './dead-shim.js';
import { type ListedRecord, readListed, unlessDamaged } from './note.js';

/** All detached containers of this user, the oldest first. One whose note is damaged is left out: `Container.attach` tells why. */
export async function detachedContainers(): Promise<ContainerInfo[]> {
  const found = await Promise.all(containerIds().map(infoOf));
  return found.filter((info) => info !== null).sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
}

async function infoOf(id: string): Promise<ContainerInfo | null> {
  const record = unlessDamaged(() => readListed(id));
  if (record === null) return null;
  const { name, command, labels, createdAt } = record;
  const at = await whereIs(record);
  return at === null ? null : { id, name, ...at, command, labels, networks: networkNames(record), createdAt: new Date(createdAt) };
}

async function whereIs(record: ListedRecord): Promise<{ pid: number; state: State | 'unknown' } | null> {
  try {
    const task = await askShim(record.id);
    if (task !== null) return { pid: task.pid, state: stateOf(task.state, record) };
  } catch (error) {
    // a shim that stands still takes no more connections when many wait (EAGAIN of connect), and what listens there may be no shim
    if (hasCode(error, 'ERR_SHIM_SILENT', 'ERR_SHIM_MESSAGE', 'EAGAIN', 'EPROTOTYPE')) return { pid: 0, state: 'unknown' };
    // the shim ended while it was asked
    if (!hasCode(error, 'ERR_SHIM_DIED')) throw error;
  }
  return taskOfTheDead(record.id) === null ? null : { pid: 0, state: 'stopped' };
}

/** @param state see TaskState; `null`: its shim died after its end */
export function stateOf(state: number | null, record: ListedRecord): State {
  if (state === null || state === TaskState.ended) return 'stopped';
  if (state === TaskState.created) return 'created';
  if (state === TaskState.between) return 'restarting';
  return isFrozen(record.group.paths) ? 'paused' : 'running';
}
