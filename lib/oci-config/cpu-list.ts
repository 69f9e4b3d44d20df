/** More than any kernel is built for (CONFIG_NR_CPUS). */
const MOST = 8192;

const RANGE = /^\s*(\d{1,4})(?:-(\d{1,4}))?\s*$/;

/**
 * A list of processors as cpuset(7) writes it, such as '0-3,7', as the mask that sched_setaffinity(2) takes: the lowest bit of the first byte is
 * processor 0. `null` for what is no such list. Pure.
 */
export function cpuMask(list: string): Uint8Array | null {
  const mask = new Uint8Array(MOST / 8);
  let length = 0;
  for (const part of list.split(',')) {
    const [, first = '', last = first] = RANGE.exec(part) ?? [];
    if (first === '' || Number(first) > Number(last) || Number(last) >= MOST) return null;
    for (let cpu = Number(first); cpu <= Number(last); cpu++) mask[cpu >> 3] = (mask[cpu >> 3] ?? 0) | (1 << (cpu & 7));
    length = Math.max(length, (Number(last) >> 3) + 1);
  }
  return mask.slice(0, length);
}
