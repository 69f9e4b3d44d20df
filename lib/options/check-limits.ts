import type { Limits } from './limit-types.js';
import type { ParsedLimits } from './limits.js';

/** Where a check reports what it found: zod's refinement context. */
export interface Complaints {
  addIssue(issue: { code: 'custom'; path: string[]; message: string }): void;
}

/** Limits that can't go together. */
export function checkLimits(limits: ParsedLimits, context: Complaints): void {
  const wrong = (option: keyof Limits, message: string): void => context.addIssue({ code: 'custom', path: [option], message });
  const { memory, memorySwap, memoryReservation } = limits;

  for (const other of ['cpuQuota', 'cpuPeriod'] as const) {
    if (limits.cpus !== undefined && limits[other] !== undefined) {
      wrong('cpus', `can't go with ${other}: both set the same quota, give one of them`);
    }
  }
  if (limits.cpuPeriod !== undefined && limits.cpuQuota === undefined && limits.cpus === undefined) {
    wrong('cpuPeriod', 'needs cpuQuota: a period alone limits nothing');
  }
  const quota = limits.cpuQuota ?? (limits.cpus === undefined ? undefined : limits.cpus * 100_000);
  if (limits.cpuBurst !== undefined && quota === undefined) wrong('cpuBurst', 'needs cpus or cpuQuota: it is what is saved up of that');
  if (limits.cpuBurst !== undefined && quota !== undefined && limits.cpuBurst > quota) {
    wrong('cpuBurst', `must be at most the quota (${quota} µs)`);
  }
  if (limits.cpuIdle && limits.cpuShares !== undefined) wrong('cpuIdle', "can't go with cpuShares: what is idle has no weight");
  if (limits.cpuRtRuntime !== undefined && limits.cpuRtRuntime > (limits.cpuRtPeriod ?? 1_000_000)) {
    wrong('cpuRtRuntime', 'must be at most cpuRtPeriod (1,000,000 µs unless it is given)');
  }
  for (const { device, ...rates } of limits.ioMax ?? []) {
    if (Object.values(rates).every((rate) => rate === undefined)) wrong('ioMax', `limits nothing of ${device}`);
  }
  for (const [device, { hcaHandles, hcaObjects }] of Object.entries(limits.rdma ?? {})) {
    if (hcaHandles === undefined && hcaObjects === undefined) wrong('rdma', `limits nothing of ${device}`);
  }
  for (const { type, major, minor } of limits.deviceRules ?? []) {
    if (type === 'a' && (major !== undefined || minor !== undefined)) {
      wrong('deviceRules', "type 'a' is all devices: give 'b' or 'c' with a number");
    }
  }
  if (memorySwap !== undefined && memory === undefined) wrong('memorySwap', 'needs memory: it is memory plus swap');
  if (memorySwap !== undefined && memory !== undefined && memorySwap < memory) {
    wrong('memorySwap', `must be at least memory (${memory}): it is memory plus swap`);
  }
  if (memoryReservation !== undefined && memory !== undefined && memoryReservation > memory) {
    wrong('memoryReservation', `must be at most memory (${memory}): what is above it can't be kept`);
  }
  for (const [name, value] of Object.entries(limits.ulimits ?? {})) {
    if (typeof value === 'number') continue;
    const [soft, hard] = [value.soft, value.hard].map((limit) => (limit === -1 ? Number.POSITIVE_INFINITY : limit));
    if (soft !== undefined && hard !== undefined && soft > hard) wrong('ulimits', `${name}: soft must be at most hard`);
  }
}
