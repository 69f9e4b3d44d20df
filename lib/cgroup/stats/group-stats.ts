import type { Pressure } from '../../process/options/process-types.js';
import { parseKeyed, parseNested, parseNumber, type ReadFile } from '../files/interface-file-formats.js';
import { parsePressure } from './pressure.js';
import { cpuTimes } from './usage.js';

/** What a group uses, the same whatever the version; `null` where the kernel can't tell. Sizes are bytes. */
export interface CgroupStats {
  cpu: {
    usageMs: number;
    userMs: number;
    systemMs: number;
    /** Periods of the quota; `null` without the cpu controller. */
    periods: number | null;
    throttledPeriods: number | null;
    throttledMs: number | null;
  };
  memory: {
    current: number;
    /** v2: Linux 5.19. */
    peak: number | null;
    limit: number | null;
    swap: number | null;
    anon: number | null;
    file: number | null;
    kernel: number | null;
    pageFaults: number;
    majorFaults: number;
    oomKills: number;
  } | null;
  pids: { current: number /** Linux 6.1. */; peak: number | null; limit: number | null } | null;
  io: { readBytes: number; writeBytes: number; devices: DeviceIo[] } | null;
  hugetlb: Record<string, { current: number; peak: number | null; limit: number | null }> | null;
  pressure: Pressure | null;
}

export interface DeviceIo {
  /** 'major:minor' */
  device: string;
  readBytes: number;
  writeBytes: number;
  reads: number;
  writes: number;
}

/** v1 says 'no limit' with the largest multiple of a page, which may be huge. */
const V1_UNLIMITED = 2 ** 62;

/** What is read of each controller, in whichever version it is. */
const files: Readonly<Record<string, readonly string[]>> = {
  unified: ['cpu.stat', 'cpu.pressure', 'memory.pressure', 'io.pressure'],
  cpuacct: ['cpuacct.usage', 'cpuacct.usage_user', 'cpuacct.usage_sys'],
  cpu: ['cpu.stat'],
  memory: [
    ...['memory.usage_in_bytes', 'memory.max_usage_in_bytes', 'memory.limit_in_bytes', 'memory.kmem.usage_in_bytes', 'memory.oom_control'],
    ...['memory.current', 'memory.peak', 'memory.max', 'memory.swap.current', 'memory.events'],
    'memory.stat',
  ],
  pids: ['pids.current', 'pids.peak', 'pids.max'],
  blkio: ['blkio.throttle.io_service_bytes_recursive', 'blkio.throttle.io_serviced_recursive'],
  io: ['io.stat'],
};

const hugetlbFiles = ['current', 'max', 'usage_in_bytes', 'max_usage_in_bytes', 'limit_in_bytes'];

/** The files that {@link readStats} asks for: so that all can be read at once. `keys`: the controllers, and 'unified'. */
export function statsFiles(keys: readonly string[], pageSizes: readonly string[]): { controller: string; file: string }[] {
  const huge = pageSizes.flatMap((size) => hugetlbFiles.map((file) => `hugetlb.${size}.${file}`));
  return keys.flatMap((controller) => (controller === 'hugetlb' ? huge : (files[controller] ?? [])).map((file) => ({ controller, file })));
}

/**
 * Reads a group's statistics.
 *
 * @param read asked for a controller that the group has, or 'unified'
 * @param controllers those of the group
 * @param pageSizes of the machine's huge pages, as the kernel names them in files: '2MB'
 */
export function readStats(read: ReadFile, controllers: readonly string[], pageSizes: readonly string[] = []): CgroupStats {
  const has = (controller: string): boolean => controllers.includes(controller);
  return {
    cpu: cpuStats(read),
    memory: has('memory') ? memoryStats((file) => read('memory', file)) : null,
    pids: has('pids') ? pidsStats((file) => read('pids', file)) : null,
    io: has('blkio') ? v1Io((file) => read('blkio', file)) : has('io') ? v2Io(read('io', 'io.stat') ?? '') : null,
    hugetlb: has('hugetlb') ? hugetlbStats((file) => read('hugetlb', file), pageSizes) : null,
    pressure: parsePressure(read('unified', 'cpu.pressure'), read('unified', 'memory.pressure'), read('unified', 'io.pressure')),
  };
}

function cpuStats(read: ReadFile): CgroupStats['cpu'] {
  const unified = parseKeyed(read('unified', 'cpu.stat') ?? '');
  const nanoseconds = unified.has('user_usec') ? null : parseNumber(read('cpuacct', 'cpuacct.usage') ?? '');
  const shares = ['user', 'sys'].map((kind) => parseNumber(read('cpuacct', `cpuacct.usage_${kind}`) ?? '') ?? 0);
  const { cpuTimeMs, userMs, systemMs } = cpuTimes(nanoseconds, { user: shares[0] ?? 0, system: shares[1] ?? 0 }, (key) =>
    unified.get(key),
  );
  const throttle = unified.has('nr_periods') ? unified : parseKeyed(read('cpu', 'cpu.stat') ?? '');
  const throttledUs = throttle.get('throttled_usec');
  const throttledNs = throttle.get('throttled_time');
  return {
    usageMs: cpuTimeMs ?? 0,
    userMs: userMs ?? 0,
    systemMs: systemMs ?? 0,
    periods: throttle.get('nr_periods') ?? null,
    throttledPeriods: throttle.get('nr_throttled') ?? null,
    throttledMs: throttledUs !== undefined ? throttledUs / 1000 : throttledNs !== undefined ? throttledNs / 1e6 : null,
  };
}

function memoryStats(read: (file: string) => string | null): CgroupStats['memory'] {
  const v1 = parseNumber(read('memory.usage_in_bytes') ?? '');
  return v1 === null ? v2Memory(read) : v1Memory(read, v1);
}

function v1Memory(read: (file: string) => string | null, current: number): CgroupStats['memory'] {
  const stat = parseKeyed(read('memory.stat') ?? '');
  const limit = parseNumber(read('memory.limit_in_bytes') ?? '');
  return {
    current,
    peak: parseNumber(read('memory.max_usage_in_bytes') ?? ''),
    limit: limit === null || limit >= V1_UNLIMITED ? null : limit,
    swap: stat.get('total_swap') ?? null,
    anon: stat.get('total_rss') ?? null,
    file: stat.get('total_cache') ?? null,
    kernel: parseNumber(read('memory.kmem.usage_in_bytes') ?? ''),
    pageFaults: stat.get('total_pgfault') ?? 0,
    majorFaults: stat.get('total_pgmajfault') ?? 0,
    oomKills: parseKeyed(read('memory.oom_control') ?? '').get('oom_kill') ?? 0,
  };
}

function v2Memory(read: (file: string) => string | null): CgroupStats['memory'] {
  const current = parseNumber(read('memory.current') ?? '');
  if (current === null) return null;
  const stat = parseKeyed(read('memory.stat') ?? '');
  return {
    current,
    peak: parseNumber(read('memory.peak') ?? ''),
    limit: parseNumber(read('memory.max') ?? ''),
    swap: parseNumber(read('memory.swap.current') ?? ''),
    anon: stat.get('anon') ?? null,
    file: stat.get('file') ?? null,
    kernel: stat.get('kernel') ?? null,
    pageFaults: stat.get('pgfault') ?? 0,
    majorFaults: stat.get('pgmajfault') ?? 0,
    oomKills: parseKeyed(read('memory.events') ?? '').get('oom_kill') ?? 0,
  };
}

/** The files have the same names in both versions. */
function pidsStats(read: (file: string) => string | null): CgroupStats['pids'] {
  const current = parseNumber(read('pids.current') ?? '');
  if (current === null) return null;
  return { current, peak: parseNumber(read('pids.peak') ?? ''), limit: parseNumber(read('pids.max') ?? '') };
}

/** v2 tells no peak. */
function hugetlbStats(read: (file: string) => string | null, pageSizes: readonly string[]): CgroupStats['hugetlb'] {
  const of = (size: string, file: string): number | null => parseNumber(read(`hugetlb.${size}.${file}`) ?? '');
  return Object.fromEntries(
    pageSizes.flatMap((size) => {
      const current = of(size, 'usage_in_bytes') ?? of(size, 'current');
      if (current === null) return [];
      const limit = of(size, 'limit_in_bytes') ?? of(size, 'max');
      return [[size, { current, peak: of(size, 'max_usage_in_bytes'), limit: limit !== null && limit >= V1_UNLIMITED ? null : limit }]];
    }),
  );
}

function v2Io(text: string): CgroupStats['io'] {
  return ioOf(
    [...parseNested(text)].map(([device, values]) => ({
      device,
      readBytes: values.get('rbytes') ?? 0,
      writeBytes: values.get('wbytes') ?? 0,
      reads: values.get('rios') ?? 0,
      writes: values.get('wios') ?? 0,
    })),
  );
}

/** Lines such as '8:0 Read 4096', and a total. Without any, nothing is known: v1 counts only once some group has had a limit of I/O (Linux 6.10). */
function v1Io(read: (file: string) => string | null): CgroupStats['io'] {
  const bytes = read('blkio.throttle.io_service_bytes_recursive');
  if (bytes === null) return null;
  const values = new Map<string, number>();
  const devices = new Set<string>();
  for (const [kind, text] of [
    ['bytes', bytes],
    ['count', read('blkio.throttle.io_serviced_recursive') ?? ''],
  ] as const) {
    for (const [, device = '', operation = '', value] of text.matchAll(/^(\d+:\d+) (Read|Write) (\d+)$/gm)) {
      devices.add(device);
      values.set(`${device} ${operation} ${kind}`, Number(value));
    }
  }
  if (devices.size === 0) return null;
  const of = (device: string, what: string): number => values.get(`${device} ${what}`) ?? 0;
  return ioOf(
    [...devices].map((device) => ({
      device,
      readBytes: of(device, 'Read bytes'),
      writeBytes: of(device, 'Write bytes'),
      reads: of(device, 'Read count'),
      writes: of(device, 'Write count'),
    })),
  );
}

function ioOf(devices: DeviceIo[]): CgroupStats['io'] {
  return {
    readBytes: devices.reduce((all, { readBytes }) => all + readBytes, 0),
    writeBytes: devices.reduce((all, { writeBytes }) => all + writeBytes, 0),
    devices,
  };
}
