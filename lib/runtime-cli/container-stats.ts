import { join } from 'node:path';
import { hugePageSizes, readGroupFile } from '../cgroup/files/group-files.js';
import { NO_GROUPS, NOT_RUNNING, refusal } from './config/runtime-error.js';
import { statsOf } from './plan/stats-shape.js';
import { type ContainerRecord, madeRecord, type StateFolder, statusOf } from './state/container-state.js';
import { pathsOf } from './update-container.js';

/** What `events --stats` prints: one event, as runc's. @throws as {@link countedRecord} */
export function statsEvent(folder: StateFolder): string {
  return statsOfRecord(countedRecord(folder));
}

/** The record of a container whose groups count what it uses. @throws NacelleError: 'container not running', or it has no groups */
export function countedRecord(folder: StateFolder): ContainerRecord {
  const record = madeRecord(folder);
  if (statusOf(folder, record) === 'stopped') throw refusal(NOT_RUNNING);
  if (record.groups.length === 0) throw refusal(NO_GROUPS);
  return record;
}

/** The same of a container whose record was read. */
export function statsOfRecord(record: Pick<ContainerRecord, 'id' | 'groups'>): string {
  const paths = pathsOf(record.groups);
  const read = (controller: string, file: string): string | null => {
    const path = paths.get(controller);
    return path === undefined ? null : readGroupFile(join(path, file));
  };
  return JSON.stringify({ type: 'stats', id: record.id, data: statsOf(read, [...paths.keys()], hugePageSizes()) });
}
