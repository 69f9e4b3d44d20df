import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isWithin, parseMountInfo, visibleMounts } from '../../../lib/host/mountinfo.js';
import { separateMounts } from '../image/machines.js';

const line = (id: number, parent: number, mountPoint: string): string => `${id} ${parent} 0:${id} / ${mountPoint} rw - ext4 none rw\n`;
const seen = (text: string): string[] => visibleMounts(parseMountInfo(text)).map(({ id, mountPoint }) => `${id} ${mountPoint}`);

describe('parseMountInfo', () => {
  it('reads fields past any number of optional ones', () => {
    expect(parseMountInfo('36 35 98:0 /mnt1 /mnt2 rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue\n')).toEqual([
      {
        id: 36,
        parent: 35,
        device: '98:0',
        root: '/mnt1',
        mountPoint: '/mnt2',
        options: ['rw', 'noatime'],
        type: 'ext3',
        source: '/dev/root',
      },
    ]);
  });

  it('decodes octal', () => {
    expect(parseMountInfo(separateMounts).at(-1)?.mountPoint).toBe('/mnt/host root');
    expect(parseMountInfo('1 2 0:1 /a\\134b /c\\011d\\012e rw - ext4 x rw')[0]).toMatchObject({ root: '/a\\b', mountPoint: '/c\td\ne' });
  });

  it('leaves out what is no line of it', () => {
    fc.assert(fc.property(fc.string(), (text) => parseMountInfo(text).every(({ mountPoint, type }) => mountPoint !== '' && type !== '')));
  });
});

describe('visibleMounts', () => {
  it('shows the upper of two on one folder', () =>
    expect(seen(line(1, 0, '/') + line(2, 1, '/a') + line(3, 2, '/a'))).toEqual(['1 /', '3 /a']));

  it('shows nothing below a folder that was mounted over', () => {
    expect(seen(line(1, 0, '/') + line(2, 1, '/a/b') + line(3, 1, '/a'))).toEqual(['1 /', '3 /a']);
    expect(seen(line(1, 0, '/') + line(2, 1, '/a') + line(3, 2, '/a/b') + line(4, 2, '/a'))).toEqual(['1 /', '4 /a']);
  });

  it('shows the upper root', () =>
    expect(seen(line(1, 0, '/') + line(2, 1, '/a') + line(3, 1, '/') + line(4, 3, '/b'))).toEqual(['3 /', '4 /b']));

  it('ends when parents go round', () => expect(seen(line(1, 2, '/a') + line(2, 1, '/b'))).toBeInstanceOf(Array));

  it('agrees with the kernel about what is mounted where on this machine', () => {
    const mounts = visibleMounts(parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8')));
    expect(new Set(mounts.map(({ mountPoint }) => mountPoint)).size).toBe(mounts.length);
    expect(mounts.map(({ mountPoint }) => mountPoint)).toContain('/proc');
  });
});

it('isWithin compares whole names', () => {
  expect([isWithin('/a/b', '/a'), isWithin('/a', '/a'), isWithin('/ab', '/a'), isWithin('/x', '/')]).toEqual([true, true, false, true]);
});
