import { describe, expect, it } from 'vitest';
import { keptValue } from '../../../lib/build/files/kept-attributes.js';

const PLAIN = Buffer.from('0100000200040000000000000000000000000000', 'hex');

/** The same as a user namespace's whose root is an id outside (capability.h: struct vfs_ns_cap_data). */
function namespaced(root: number): Buffer {
  const value = Buffer.concat([PLAIN, Buffer.alloc(4)]);
  value.writeUInt32LE(0x03000001, 0);
  value.writeUInt32LE(root, 20);
  return value;
}

describe('attributes that COPY keeps', () => {
  const inside = (id: number): number => (id === 1000 ? 0 : id);

  it.each([
    ['user.a', true],
    ['user.overlay.opaque', false],
    ['user.a=b', false],
    ['trusted.a', false],
    ['security.selinux', false],
    ['system.posix_acl_access', false],
  ])('%s: %s', (name, isKept) => {
    const value = Buffer.from([0, 255]);
    expect(keptValue(name, value, inside)).toBe(isKept ? value : null);
  });

  it('capabilities are for root of the image, whichever id that is on the disk', () => {
    const kept = (value: Buffer): Buffer | null => keptValue('security.capability', value, inside);
    expect(kept(PLAIN)).toEqual(PLAIN);
    expect(kept(namespaced(1000))).toEqual(PLAIN);
    expect([namespaced(1001), namespaced(1000).subarray(0, 22), PLAIN.subarray(1), Buffer.alloc(0)].map(kept)).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });
});
