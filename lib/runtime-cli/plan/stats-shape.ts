import { parseKeyed, parseNumber, type ReadFile } from '../../cgroup/files/interface-file-formats.js';
import { type CgroupStats, readStats } from '../../cgroup/stats/group-stats.js';
import { parseNumberList } from '../../options/number-list.js';

type Json = Readonly<Record<string, unknown>>;

/** The largest number of 64 bits, by which runc says that there is no limit on v2. JSON has it as a double. */
const NO_LIMIT = 2 ** 64 - 1;

/**
 * What a container uses, in the shape of runc's `events --stats` (its types/events.go), whose callers read it from there. Sizes are bytes, times ns. Like
 * there, most numbers of 0 are left out. Pure.
 */
export function statsOf(read: ReadFile, controllers: readonly string[], pageSizes: readonly string[]): Json {
  const { cpu, pids, io, hugetlb } = readStats(read, controllers, pageSizes);
  const each = (text: string | null): number[] => (text ?? '').trim().split(' ').filter(Boolean).map(Number);
  const { periods, throttledPeriods, throttledMs } = cpu;
  return {
    cpu: {
      usage: {
        ...shown({ total: nanoseconds(cpu.usageMs) }),
        ...shown({ percpu: each(read('cpuacct', 'cpuacct.usage_percpu')) }),
        ...{ kernel: nanoseconds(cpu.systemMs), user: nanoseconds(cpu.userMs) },
      },
      throttling: shown({ periods, throttledPeriods, throttledTime: throttledMs === null ? null : nanoseconds(throttledMs) }),
    },
    cpuset: cpuset(read),
    memory: memory(read),
    pids: shown({ current: pids?.current, limit: pids?.limit }),
    blkio: blkio(io),
    hugetlb: Object.fromEntries(
      Object.entries(hugetlb ?? {}).map(([size, { current, peak }]) => [
        size,
        { ...shown({ usage: current, max: peak }), failcnt: numberIn(read, 'hugetlb', `hugetlb.${size}.failcnt`) },
      ]),
    ),
    intel_rdt: {},
    network_interfaces: null,
  };
}

function nanoseconds(ms: number): number {
  return Math.round(ms * 1e6);
}

/** The keys that say something: Go's omitempty. */
function shown(values: Json): Json {
  const isEmpty = (value: unknown): boolean => !value || (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(values).filter(([, value]) => !isEmpty(value)));
}

function numberIn(read: ReadFile, controller: string, file: string): number {
  return parseNumber(read(controller, file) ?? '') ?? 0;
}

function cpuset(read: ReadFile): Json {
  const list = (file: string): number[] => parseNumberList((read('cpuset', file) ?? '').trim()) ?? [];
  const number = (name: string): number => numberIn(read, 'cpuset', `cpuset.${name}`);
  const or = (first: number[], second: () => number[]): number[] => (first.length > 0 ? first : second());
  return {
    ...shown({
      cpus: or(list('cpuset.cpus'), () => list('cpuset.cpus.effective')),
    }),
    cpu_exclusive: number('cpu_exclusive'),
    ...shown({
      mems: or(list('cpuset.mems'), () => list('cpuset.mems.effective')),
    }),
    ...{ mem_hardwall: number('mem_hardwall'), mem_exclusive: number('mem_exclusive'), memory_migrate: number('memory_migrate') },
    ...{ memory_spread_page: number('memory_spread_page'), memory_spread_slab: number('memory_spread_slab') },
    ...{ memory_pressure: number('memory_pressure'), sched_load_balance: number('sched_load_balance') },
    sched_relax_domain_level: number('sched_relax_domain_level'),
  };
}

/** One of the kernel's counts of memory. */
function entry(read: ReadFile, kind: string): Json {
  const of = (name: string): number => numberIn(read, 'memory', `memory.${kind}${name}`);
  return { limit: of('limit_in_bytes'), ...shown({ usage: of('usage_in_bytes'), max: of('max_usage_in_bytes') }), failcnt: of('failcnt') };
}

function memory(read: ReadFile): Json {
  const raw = parseKeyed(read('memory', 'memory.stat') ?? '');
  const current = parseNumber(read('memory', 'memory.current') ?? '');
  const common = (cache: number | undefined): Json => shown({ cache, raw: Object.fromEntries(raw) });
  if (current === null)
    return {
      ...common(raw.get('cache')),
      ...{ usage: entry(read, ''), swap: entry(read, 'memsw.'), kernel: entry(read, 'kmem.'), kernelTCP: entry(read, 'kmem.tcp.') },
    };
  // runc tells of memory and swap together, as v1 counts them
  const swap = numberIn(read, 'memory', 'memory.swap.current');
  const limit = parseNumber(read('memory', 'memory.max') ?? '') ?? NO_LIMIT;
  const ofSwap = parseNumber(read('memory', 'memory.swap.max') ?? '') ?? NO_LIMIT;
  const none = { limit: 0, failcnt: 0 };
  return {
    ...common(raw.get('file')),
    usage: { limit, ...shown({ usage: current, max: parseNumber(read('memory', 'memory.peak') ?? '') }), failcnt: 0 },
    swap: { limit: Math.min(limit + ofSwap, NO_LIMIT), ...shown({ usage: current + swap }), failcnt: 0 },
    ...{ kernel: none, kernelTCP: none },
  };
}

function blkio(io: CgroupStats['io']): Json {
  const entries = (of: readonly [string, 'readBytes' | 'writeBytes' | 'reads' | 'writes'][]): Json[] =>
    (io?.devices ?? []).flatMap((device) => {
      const [major, minor] = device.device.split(':').map(Number);
      return of.map(([op, field]) => shown({ major, minor, op, value: device[field] }));
    });
  return shown({
    ioServiceBytesRecursive: entries([
      ['Read', 'readBytes'],
      ['Write', 'writeBytes'],
    ]),
    ioServicedRecursive: entries([
      ['Read', 'reads'],
      ['Write', 'writes'],
    ]),
  });
}
