import { statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { defaultDeviceRules, defaultDevices, defaultMaskedPaths, defaultReadonlyPaths } from '../../../lib/security/paths.js';

/** The verdict of the rules on a device, the last that fits. */
function allowed(type: 'b' | 'c', major: number, minor: number, access: string): boolean {
  const fits = defaultDeviceRules.filter(
    (rule) =>
      (rule.type === 'a' || rule.type === type) &&
      (rule.major ?? major) === major &&
      (rule.minor ?? minor) === minor &&
      [...access].every((letter) => rule.access.includes(letter)),
  );
  return fits.at(-1)?.allow ?? false;
}

describe('the default paths and devices', () => {
  it('are absolute, and no path is both masked and read-only', () => {
    for (const path of [...defaultMaskedPaths, ...defaultReadonlyPaths]) expect(path).toMatch(/^\/(proc|sys)(\/[a-z_-]+)+$/);
    expect(defaultMaskedPaths.filter((path) => defaultReadonlyPaths.includes(path))).toEqual([]);
  });

  it.runIf(process.platform === 'linux').each(defaultDevices)('has the numbers of the machine for $path', ({ path, major, minor }) => {
    const { rdev } = statSync(path);
    expect([rdev >> 8, rdev & 0xff]).toEqual([major, minor]);
  });

  it('lets through the devices of /dev and pseudo-terminals, and no others', () => {
    for (const { type, major, minor } of defaultDevices) expect(allowed(type, major, minor, 'rwm')).toBe(true);
    expect(allowed('c', 5, 2, 'rw')).toBe(true);
    expect(allowed('c', 136, 7, 'rw')).toBe(true);
    for (const [major, minor] of [
      [1, 1],
      [1, 2],
      [1, 4],
      [1, 11],
      [5, 1],
      [4, 0],
      [10, 200],
      [10, 229],
      [0, 1],
    ] as const) {
      for (const access of ['r', 'w', 'm'])
        expect([major, minor, access, allowed('c', major, minor, access)]).toEqual([major, minor, access, false]);
    }
    for (const access of ['r', 'w', 'm']) expect(allowed('b', 8, 0, access)).toBe(false);
    expect(allowed('b', 1, 3, 'r')).toBe(false);
  });

  it('lets overlay make whiteouts, which nothing can open', () => {
    expect(allowed('c', 0, 0, 'm')).toBe(true);
    expect(allowed('c', 0, 0, 'r')).toBe(false);
  });
});
