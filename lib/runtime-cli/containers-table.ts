import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { toError } from '../errors.js';
import { usageError } from './config/runtime-error.js';
import { containerIds, readRecord, type StateFolder, stateFolder, stateOf, statusOf } from './state/container-state.js';

interface ListOptions {
  readonly format: 'json' | 'table';
  readonly quiet: boolean;
  /** `--root` says where the root is: as for runc it has to be there then. */
  readonly isNamed: boolean;
}

/**
 * What `list` prints: of containers that are only being made, or that go meanwhile, there is nothing to tell.
 *
 * @param tell hears of a folder that is none of a container, and of a record that can't be read: the others are listed all the same
 * @throws NacelleError `ERR_INVALID_OPTION` for a root that was named and is not there
 */
export function listContainers(root: string, { format, quiet, isNamed }: ListOptions, tell: (problem: string) => void): string {
  if (isNamed && !existsSync(root)) throw usageError(`open ${root}: no such file or directory`);
  const all = containerIds(root).flatMap((id) => {
    try {
      return stateIfMade(stateFolder(root, id));
    } catch (error) {
      if (existsSync(join(root, id))) tell(`${join(root, id)}: ${toError(error).message}`);
      return [];
    }
  });
  if (quiet) return all.map(({ id }) => String(id)).join('\n');
  if (format === 'json') return JSON.stringify(all);
  const rows = all.map(({ id, pid, status, bundle, created, owner }) => [id, pid, status, bundle, created, owner].map(String));
  return tableText([['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'], ...rows]);
}

function stateIfMade(folder: StateFolder): ReturnType<typeof stateOf>[] {
  const record = readRecord(folder);
  return record === null ? [] : [stateOf(record, statusOf(folder, record))];
}

/** Columns as wide as their widest word, but at least 12 characters, as runc's. Pure. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(12, ...rows.map((row) => (row[column] ?? '').length + 1)));
  return rows
    .map((row) => row.map((word, column) => word.padEnd(column === row.length - 1 ? 0 : (widths[column] ?? 0))).join(''))
    .join('\n');
}
