import { containerIds, readRecord, stateFolder, stateOf, statusOf } from './state/container-state.js';

/** What `list` prints: of containers that are only being made there is nothing to tell. */
export function listContainers(root: string, { format, quiet }: { readonly format: 'json' | 'table'; readonly quiet: boolean }): string {
  const all = containerIds(root).flatMap((id) => {
    const folder = stateFolder(root, id);
    const record = readRecord(folder);
    return record === null ? [] : [stateOf(record, statusOf(folder, record))];
  });
  if (quiet) return all.map(({ id }) => String(id)).join('\n');
  if (format === 'json') return JSON.stringify(all);
  const rows = all.map(({ id, pid, status, bundle, created, owner }) => [id, pid, status, bundle, created, owner].map(String));
  return tableText([['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'], ...rows]);
}

/** Columns as wide as their widest word, but at least 12 characters, as runc's. Pure. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(12, ...rows.map((row) => (row[column] ?? '').length + 1)));
  return rows
    .map((row) => row.map((word, column) => word.padEnd(column === row.length - 1 ? 0 : (widths[column] ?? 0))).join(''))
    .join('\n');
}
