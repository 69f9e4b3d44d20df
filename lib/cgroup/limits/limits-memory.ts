import { UnsupportedError } from '../../errors.js';
import type { GroupLayout } from '../../host/cgroup-base.js';
import type { ParsedLimits } from '../../options/limits.js';
import { type Place, requireFile, requireVersion, versionOf, type Write } from './group-write.js';

const UNLIMITED = { memory: Number.POSITIVE_INFINITY, memorySwap: Number.POSITIVE_INFINITY };

const write = (file: string, value: string | number): Write => ({ controller: 'memory', file, value: String(value) });

/** @throws UnsupportedError */
export function memoryWrites(limits: ParsedLimits, place: Place): Write[] {
  return [...reservationWrites(limits, place), ...limitWrites(limits, place), ...v1Writes(limits, place), ...v2Writes(limits, place)];
}

/**
 * v1 keeps memory ≤ memory plus swap at every moment, so which of the two is written first depends on the
 * direction. Swap is none unless `memorySwap` says so. v2 counts swap by itself.
 */
function limitWrites({ memory, memorySwap = memory }: ParsedLimits, { layout, current = UNLIMITED }: Place): Write[] {
  if (memory === undefined || memorySwap === undefined) return [];
  const version = versionOf('memory', 'memory', layout);
  const counted = mayLimitSwap(layout);
  if (version === 2) {
    const max = write('memory.max', memory);
    return counted ? [write('memory.swap.max', memorySwap - memory), max] : [max];
  }
  const limit = write('memory.limit_in_bytes', memory);
  const both = write('memory.memsw.limit_in_bytes', memorySwap);
  if (!counted) return [limit];
  return memorySwap > current.memorySwap ? [both, limit] : [limit, both];
}

/** A machine without swap needs no limit of it; one with swap that the kernel doesn't count can't keep the limit. */
function mayLimitSwap({ swap }: GroupLayout): boolean {
  if (swap.accounted) return true;
  if (swap.total === 0) return false;
  throw new UnsupportedError(
    'limit memory',
    'this machine has swap, and the kernel does not count it for each group: memory could be passed by swapping',
    'Boot with swapaccount=1, or turn swap off with swapoff -a.',
  );
}

function reservationWrites({ memoryReservation }: ParsedLimits, { layout }: Place): Write[] {
  if (memoryReservation === undefined) return [];
  const v2 = versionOf('memory', 'memoryReservation', layout) === 2;
  return [write(v2 ? 'memory.low' : 'memory.soft_limit_in_bytes', memoryReservation)];
}

function v1Writes({ memorySwappiness, kernelMemory }: ParsedLimits, place: Place): Write[] {
  const writes: Write[] = [];
  if (memorySwappiness !== undefined) {
    requireVersion(1, 'memory', 'memorySwappiness', place, 'Limit swap with memorySwap.');
    writes.push(write('memory.swappiness', memorySwappiness));
  }
  if (kernelMemory !== undefined) {
    const instead = "Leave it out: `memory` counts the kernel's part too.";
    requireVersion(1, 'memory', 'kernelMemory', place, instead);
    writes.push(write(requireFile('memory', 'memory.kmem.limit_in_bytes', 'kernelMemory', place, instead), kernelMemory));
  }
  return writes;
}

function v2Writes({ memoryHigh, memoryOomGroup }: ParsedLimits, place: Place): Write[] {
  const writes: Write[] = [];
  if (memoryHigh !== undefined) {
    requireVersion(2, 'memory', 'memoryHigh', place, 'Use memory, or memoryReservation.');
    writes.push(write('memory.high', memoryHigh));
  }
  if (memoryOomGroup !== undefined) {
    requireVersion(2, 'memory', 'memoryOomGroup', place, 'A container with a process 1 of its own ends with that.');
    writes.push(write('memory.oom.group', memoryOomGroup ? 1 : 0));
  }
  return writes;
}
