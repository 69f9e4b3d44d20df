import type { Scheduler } from './scheduler.js';
import type { Size } from './size.js';

/** Limits of a group of processes. Live-updatable where the kernel allows. Sizes are bytes or docker strings. */
export interface Limits {
  /** Memory and page cache of the whole tree, tmpfs included. At least one page. v1 memory.limit_in_bytes, v2 memory.max. */
  memory?: Size | undefined;
  /** Memory plus swap, as docker's. Default: equal to `memory`, so no swap. */
  memorySwap?: Size | undefined;
  /** Memory that the group keeps when memory is short: v1 memory.soft_limit_in_bytes, v2 memory.low. */
  memoryReservation?: Size | undefined;
  /** Past it the group is slowed down and its memory reclaimed, without a kill: memory.high. v2 only. */
  memoryHigh?: Size | undefined;
  /** The kernel's inclination to swap, 0 to 100: memory.swappiness. v1 only. */
  memorySwappiness?: number | undefined;
  /** When it is out of memory, all of the group ends, not one process of it: memory.oom.group (Linux 4.19). v2 only. */
  memoryOomGroup?: boolean | undefined;
  /** Memory of the kernel's for the group: memory.kmem.limit_in_bytes. v1 only, until Linux 5.16; `memory` counts it too. */
  kernelMemory?: Size | undefined;
  /** CPUs' worth of time: 1.5 is one and a half. Another way to say `cpuQuota` of a `cpuPeriod`. */
  cpus?: number | undefined;
  /** µs of CPU time in each period, at least 1,000. */
  cpuQuota?: number | undefined;
  /** µs, 1,000 to 1,000,000. Default 100,000. */
  cpuPeriod?: number | undefined;
  /** µs that may be saved up of earlier periods' quota (Linux 5.14), at most the quota: v1 cpu.cfs_burst_us, v2 cpu.max.burst. */
  cpuBurst?: number | undefined;
  /** Weight against siblings, 2 to 262,144. Default 1,024: v1 cpu.shares. v2's cpu.weight is computed from it. */
  cpuShares?: number | undefined;
  /** The group runs only while nobody else wants the CPU: cpu.idle (Linux 5.15). Excludes `cpuShares`. */
  cpuIdle?: boolean | undefined;
  /** µs of real-time scheduling in each `cpuRtPeriod`: cpu.rt_runtime_us. v1 only, with CONFIG_RT_GROUP_SCHED. */
  cpuRtRuntime?: number | undefined;
  /** µs. Default 1,000,000: cpu.rt_period_us. v1 only. */
  cpuRtPeriod?: number | undefined;
  /** CPUs as a list: '0-3,7' (cpuset(7)). */
  cpusetCpus?: string | undefined;
  /** Memory nodes as a list. */
  cpusetMems?: string | undefined;
  /** Processes and threads at one time. */
  pidsLimit?: number | undefined;
  /** Weight of block I/O against siblings, 1 to 10,000, default 100: where a disk's scheduler is BFQ, or io.cost.qos is set. */
  ioWeight?: number | undefined;
  /** Limits of block I/O, one item for each device. */
  ioMax?: readonly IoMax[] | undefined;
  /** Limits of huge pages, by page size: { '2MB': '64m' }. */
  hugetlb?: Record<string, Size> | undefined;
  /** Device rules, in order: for each letter of an access the last rule that fits decides. A container's own rules come before them. */
  deviceRules?: readonly DeviceRule[] | undefined;
  /** Class of the net_cls controller, for tc and iptables (v1 only). */
  netClassId?: number | undefined;
  /** Priority of packets that leave by a network interface of the host's, by its name: net_prio.ifpriomap (v1 only). */
  netPriorities?: Record<string, number> | undefined;
  /** RDMA resources by device: rdma.max. */
  rdma?: Record<string, RdmaMax> | undefined;
  /** Limits of the controller misc, by resource: misc.max (Linux 5.13). */
  misc?: Record<string, number> | undefined;
  /** Limits of a process, by docker's names: { nofile: 1024, core: 0 } (getrlimit(2)). A number sets both the soft and the hard limit. */
  ulimits?: Record<string, number | { soft: number; hard: number }> | undefined;
  /** How the program is scheduled; what it starts inherits it. */
  scheduler?: Scheduler | undefined;
}

/** Limits of one block device, a whole disk; 0 takes a limit away. */
export interface IoMax {
  /** '/dev/sda' or '8:0'. */
  device: string;
  /** Bytes a second. */
  readBps?: number | undefined;
  writeBps?: number | undefined;
  readIops?: number | undefined;
  writeIops?: number | undefined;
}

/** At least one of the two. */
export interface RdmaMax {
  hcaHandles?: number | undefined;
  hcaObjects?: number | undefined;
}

/** A rule of the device controller. Without `major` or `minor`: any. */
export interface DeviceRule {
  type: 'a' | 'b' | 'c';
  major?: number | undefined;
  minor?: number | undefined;
  /** Of 'r', 'w' and 'm'. */
  access: string;
  allow: boolean;
}
