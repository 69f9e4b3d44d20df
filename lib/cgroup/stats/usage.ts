import type { Pressure } from '../../process/options/process-types.js';
import { keyedNumber, parseNested, parseNumber } from '../files/interface-file-formats.js';
import { parsePressure } from './pressure.js';

/** What a group tells when its tree has ended. `null` where no controller counted it. */
export interface GroupUsage extends GroupCounters {
  readonly cpuTimeMs: number | null;
  readonly userMs: number | null;
  readonly systemMs: number | null;
  /** Bytes. */
  readonly memoryPeak: number | null;
  /** Bytes that are still charged. */
  readonly memoryCurrent: number | null;
  readonly pidsPeak: number | null;
  readonly ioReadBytes: number | null;
  readonly ioWriteBytes: number | null;
  readonly throttledPeriods: number;
  readonly throttledMs: number;
  readonly pressure: Pressure | null;
}

/** What a group has counted that can end a program. */
export interface GroupCounters {
  /** Processes that the kernel killed for want of memory: of the group, on v2 also of those below it. */
  readonly oomKills: number;
  /** How often memory ran out because of the group's own limit. v2, Linux 5.2; `null` on v1, which doesn't tell. */
  readonly ownOoms: number | null;
  /** Forks that a limit of processes refused. */
  readonly forksRefused: number;
}

/** A file that holds evidence. */
export interface UsageFile {
  /** A controller, or 'unified' for files that every group of that tree has. */
  readonly controller: string;
  readonly path: string;
}

/** A usage file of a group, and where it is. */
export interface PlacedUsageFile extends UsageFile {
  /** Absolute. */
  readonly at: string;
}

const V1: Readonly<Record<string, readonly string[]>> = {
  memory: ['memory.max_usage_in_bytes', 'memory.usage_in_bytes', 'memory.memsw.usage_in_bytes', 'memory.oom_control'],
  cpuacct: ['cpuacct.usage', 'cpuacct.stat'],
  cpu: ['cpu.stat'],
  pids: ['pids.peak', 'pids.events'],
  blkio: ['blkio.throttle.io_service_bytes_recursive'],
};

const V2: Readonly<Record<string, readonly string[]>> = {
  memory: ['memory.peak', 'memory.current', 'memory.swap.current', 'memory.events', 'memory.events.local'],
  pids: ['pids.peak', 'pids.events'],
  io: ['io.stat'],
};

const UNIFIED = ['cpu.stat', 'cpu.pressure', 'memory.pressure', 'io.pressure'];

/** The files to read at the end. `versionOf` tells where a controller was joined. */
export function usageFiles(versionOf: (controller: string) => 1 | 2 | undefined): UsageFile[] {
  const of = (version: 1 | 2, table: Readonly<Record<string, readonly string[]>>): UsageFile[] =>
    Object.entries(table).flatMap(([controller, paths]) =>
      versionOf(controller) === version ? paths.map((path) => ({ controller, path })) : [],
    );
  return [...of(1, V1), ...of(2, V2), ...UNIFIED.map((path) => ({ controller: 'unified', path }))];
}

/**
 * Reads the evidence.
 *
 * @param contents of each of `files`; `null` for one that is not there (an older kernel)
 */
export function readUsage(files: readonly UsageFile[], contents: readonly (Uint8Array | null | undefined)[]): GroupUsage {
  const texts = new Map<string, string>();
  for (const [i, { controller, path }] of files.entries()) {
    const bytes = contents[i];
    if (bytes) texts.set(`${controller} ${path}`, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'));
  }
  const text = (controller: string, path: string): string | null => texts.get(`${controller} ${path}`) ?? null;
  const number = (controller: string, path: string): number | null => parseNumber(text(controller, path) ?? '');
  const keyed = (controller: string, path: string, key: string): number | undefined => keyedNumber(text(controller, path) ?? '', key);
  const shareOf = (key: string): number => keyed('cpuacct', 'cpuacct.stat', key) ?? 0;

  return {
    memoryPeak: number('memory', 'memory.max_usage_in_bytes') ?? number('memory', 'memory.peak'),
    memoryCurrent: number('memory', 'memory.usage_in_bytes') ?? number('memory', 'memory.current'),
    pidsPeak: number('pids', 'pids.peak'),
    throttledPeriods: keyed('cpu', 'cpu.stat', 'nr_throttled') ?? keyed('unified', 'cpu.stat', 'nr_throttled') ?? 0,
    throttledMs: (keyed('cpu', 'cpu.stat', 'throttled_time') ?? 0) / 1e6 + (keyed('unified', 'cpu.stat', 'throttled_usec') ?? 0) / 1000,
    pressure: parsePressure(text('unified', 'cpu.pressure'), text('unified', 'memory.pressure'), text('unified', 'io.pressure')),
    ...cpuTimes(number('cpuacct', 'cpuacct.usage'), { user: shareOf('user'), system: shareOf('system') }, (key) =>
      keyed('unified', 'cpu.stat', key),
    ),
    ...readCounters(text),
    ...ioBytes(text('blkio', 'blkio.throttle.io_service_bytes_recursive'), text('io', 'io.stat')),
  };
}

const COUNTERS: ReadonlySet<string> = new Set(['memory.oom_control', 'memory.events', 'memory.events.local', 'pids.events']);

/** Whether {@link readCounters} looks at a file. */
export function isCounter({ path }: UsageFile): boolean {
  return COUNTERS.has(path);
}

/** @param read gives the text of a controller's file, `null` where there is none */
export function readCounters(read: (controller: string, file: string) => string | null): GroupCounters {
  const of = (controller: string, file: string, key: string): number | undefined => keyedNumber(read(controller, file) ?? '', key);
  return {
    oomKills: of('memory', 'memory.oom_control', 'oom_kill') ?? of('memory', 'memory.events', 'oom_kill') ?? 0,
    ownOoms: of('memory', 'memory.events.local', 'oom') ?? null,
    forksRefused: of('pids', 'pids.events', 'max') ?? 0,
  };
}

/** What was counted between two looks. */
export function countersSince(before: GroupCounters, after: GroupCounters): GroupCounters {
  const since = (key: 'oomKills' | 'forksRefused'): number => after[key] - before[key];
  const ownOoms = after.ownOoms === null ? null : after.ownOoms - (before.ownOoms ?? 0);
  return { oomKills: since('oomKills'), forksRefused: since('forksRefused'), ownOoms };
}

/** A charge may be as large as a huge page: so the peak of a group that hit its limit may stay this far below it. */
const CHARGE = 4 * 1024 ** 2;

/**
 * Decides whose memory ran out. v2 counts that at the group whose limit it was. v1 doesn't tell: there it was the group's own limit when
 * the group's use has come to it, and that of a group above when the group has no limit, or is far from it.
 */
export function blameOom(
  { oomKills, ownOoms }: GroupCounters,
  { limit, peak }: { limit: number | null; peak: number | null },
): { oomKills: number; oomKillsOfParent: number } {
  const reached = limit !== null && (peak ?? limit) >= Math.max(limit - CHARGE, limit / 2);
  const own = ownOoms === null ? reached : ownOoms > 0;
  return own ? { oomKills, oomKillsOfParent: 0 } : { oomKills: 0, oomKillsOfParent: oomKills };
}

/**
 * The unified tree counts in µs.
 *
 * @param shares v1's, in whatever unit: cpuacct.stat is in ticks of 10 ms, so only its proportion counts
 */
export function cpuTimes(
  nanoseconds: number | null,
  shares: { readonly user: number; readonly system: number },
  unifiedNumber: (key: string) => number | undefined,
): Pick<GroupUsage, 'cpuTimeMs' | 'userMs' | 'systemMs'> {
  const [all, user, system] = ['usage_usec', 'user_usec', 'system_usec'].map(unifiedNumber);
  if (all !== undefined && user !== undefined && system !== undefined) {
    return { cpuTimeMs: all / 1000, userMs: user / 1000, systemMs: system / 1000 };
  }
  const cpuTimeMs = nanoseconds === null ? null : nanoseconds / 1e6;
  const sum = shares.user + shares.system;
  if (cpuTimeMs === null || sum === 0) return { cpuTimeMs, userMs: null, systemMs: null };
  const userMs = (cpuTimeMs * shares.user) / sum;
  return { cpuTimeMs, userMs, systemMs: cpuTimeMs - userMs };
}

function ioBytes(v1: string | null, v2: string | null): Pick<GroupUsage, 'ioReadBytes' | 'ioWriteBytes'> {
  // v1 counts nothing when there is no line for any device: see group-stats.ts
  if (v1 !== null && /^\d+:\d+ /m.test(v1)) return { ioReadBytes: sumOf(v1, 'Read'), ioWriteBytes: sumOf(v1, 'Write') };
  if (v2 === null) return { ioReadBytes: null, ioWriteBytes: null };
  const devices = [...parseNested(v2).values()];
  const total = (key: string): number => devices.reduce((all, device) => all + (device.get(key) ?? 0), 0);
  return { ioReadBytes: total('rbytes'), ioWriteBytes: total('wbytes') };
}

/** Lines such as '8:0 Read 4096'. */
function sumOf(text: string, operation: string): number {
  return [...text.matchAll(new RegExp(`^\\d+:\\d+ ${operation} (\\d+)$`, 'gm'))].reduce((all, match) => all + Number(match[1]), 0);
}
