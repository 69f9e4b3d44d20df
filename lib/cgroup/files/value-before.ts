/** Files with a line for each device, interface or resource. */
const KEYED = /^(?:io\.max|blkio\.throttle\..*|net_prio\.ifpriomap|rdma\.max|misc\.max)$/;

/**
 * The value that would bring a file back to what it says now, before `value` is written to it. `null` where no value does, or none is
 * needed.
 *
 * @param text the file's text; `null` where it can't be read
 */
export function previousValue(file: string, value: string, text: string | null): string | null {
  if (text === null) return null;
  if (file === 'io.weight') return text.split('\n')[0] ?? null;
  if (!KEYED.test(file)) return text.trim() === '' ? null : text.trim();
  const [key = ''] = value.split(' ');
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${key} `));
  if (line !== undefined) return line.trim();
  if (file === 'io.max') return `${key} rbps=max wbps=max riops=max wiops=max`;
  return file.startsWith('blkio.throttle.') ? `${key} 0` : null;
}
