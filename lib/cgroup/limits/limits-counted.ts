import { UnsupportedError } from '../../errors.js';
import type { ParsedLimits } from '../../options/limits.js';
import { type Place, versionOf, type Write } from './group-write.js';

/** @throws UnsupportedError */
export function pidsWrites({ pidsLimit }: ParsedLimits, { layout }: Place): Write[] {
  if (pidsLimit === undefined) return [];
  versionOf('pids', 'pidsLimit', layout);
  return [{ controller: 'pids', file: 'pids.max', value: String(pidsLimit) }];
}

/**
 * Limits pages in use and, where the kernel tells them apart (Linux 5.7), reserved pages: a program past that limit fails in mmap(2), and
 * not with SIGBUS.
 */
export function hugetlbWrites({ hugetlb }: ParsedLimits, { layout, files }: Place): Write[] {
  const controller = 'hugetlb';
  return Object.entries(hugetlb ?? {}).flatMap(([size, bytes]): Write[] => {
    const suffix = versionOf(controller, 'hugetlb', layout) === 2 ? 'max' : 'limit_in_bytes';
    if (!files.has(controller, `hugetlb.${size}.${suffix}`))
      throw new UnsupportedError('limit hugetlb', `this machine has no huge pages of ${size}`, 'See /sys/kernel/mm/hugepages.');
    const reserved = `hugetlb.${size}.rsvd.${suffix}`;
    return [...(files.has(controller, reserved) ? [reserved] : []), `hugetlb.${size}.${suffix}`].map((file) => ({
      controller,
      file,
      value: String(bytes),
    }));
  });
}

/** @throws UnsupportedError */
export function resourceWrites({ rdma, misc }: ParsedLimits, { layout }: Place): Write[] {
  const rdmaWrites = Object.entries(rdma ?? {}).map(([device, { hcaHandles, hcaObjects }]): Write => {
    versionOf('rdma', 'rdma', layout);
    const words = [
      device,
      ...(hcaHandles === undefined ? [] : [`hca_handle=${hcaHandles}`]),
      ...(hcaObjects === undefined ? [] : [`hca_object=${hcaObjects}`]),
    ];
    return { controller: 'rdma', file: 'rdma.max', value: words.join(' ') };
  });
  const miscWrites = Object.entries(misc ?? {}).map(([resource, max]): Write => {
    versionOf('misc', 'misc', layout);
    return { controller: 'misc', file: 'misc.max', value: `${resource} ${max}` };
  });
  return [...rdmaWrites, ...miscWrites];
}
