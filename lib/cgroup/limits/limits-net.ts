import type { ParsedLimits } from '../../options/limits.js';
import { type Place, requireVersion, type Write } from './group-write.js';

/** @throws UnsupportedError */
export function networkWrites({ netClassId, netPriorities }: ParsedLimits, place: Place): Write[] {
  const writes: Write[] = [];
  const instead = 'Match the path of the group: iptables -m cgroup --path, nft socket cgroupv2.';
  if (netClassId !== undefined) {
    requireVersion(1, 'net_cls', 'netClassId', place, instead);
    writes.push({ controller: 'net_cls', file: 'net_cls.classid', value: String(netClassId) });
  }
  for (const [name, priority] of Object.entries(netPriorities ?? {})) {
    requireVersion(1, 'net_prio', 'netPriorities', place, instead);
    writes.push({ controller: 'net_prio', file: 'net_prio.ifpriomap', value: `${name} ${priority}` });
  }
  return writes;
}
