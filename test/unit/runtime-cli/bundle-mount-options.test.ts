import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appliedMountOptions, mountOptionNames, parseMountOptions } from '../../../lib/oci-config/bundle-mount-options.js';
import { PROPAGATION } from '../../../lib/plan/constants.js';

// what `runc features` of runc 1.1.5 prints
const ofRunc = `
acl async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noacl noatime nodev nodiratime noexec noiversion nolazytime
nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime remount rexec rnoatime rnodev rnodiratime rnoexec
rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared
silent slave strictatime suid symfollow sync tmpcopyup unbindable
`
  .trim()
  .split(/\s+/);

const ATIME = 0x70;

describe('the options of a mount', () => {
  it('has every name of runc', () => {
    expect(ofRunc.filter((name) => !mountOptionNames.includes(name))).toEqual([]);
    expect(mountOptionNames.filter((name) => !appliedMountOptions.includes(name))).toEqual(['acl', 'iversion', 'noacl', 'noiversion']);
  });

  it.each([
    // MOUNT_ATTR_* as linux/mount.h has them
    [['ro'], { set: 0x1, clear: 0 }],
    [['nosuid', 'nodev', 'noexec'], { set: 0xe, clear: 0 }],
    [['ro', 'rw'], { set: 0, clear: 0x1 }],
    [['rw', 'ro'], { set: 0x1, clear: 0 }],
    [['noatime'], { set: 0x10, clear: ATIME }],
    [['noatime', 'strictatime'], { set: 0x20, clear: ATIME }],
    [['strictatime', 'relatime'], { set: 0, clear: ATIME }],
    [['nodiratime', 'nosymfollow'], { set: 0x200080, clear: 0 }],
    [['rro', 'rnosuid'], { set: 0, clear: 0, setBelow: 0x3, clearBelow: 0 }],
    [['rnoatime'], { setBelow: 0x10, clearBelow: ATIME }],
    [['rbind', 'rslave'], { bind: 'rbind', propagation: [{ flag: PROPAGATION.slave, recursive: true }] }],
    [['shared'], { propagation: [{ flag: PROPAGATION.shared, recursive: false }] }],
    [['mode=755', 'size=65536k', 'sync', 'defaults'], { data: ['mode=755', 'size=65536k'], superblock: ['sync'], set: 0, clear: 0 }],
    [['tmpcopyup', 'remount', 'ridmap'], { copyUp: true, remount: true, idmap: 'ridmap' }],
    [['mode=755', ''], { data: ['mode=755'] }],
    [['ridmap', 'idmap', 'bind'], { bind: 'bind', idmap: 'idmap' }],
  ] as const)('%j', (options, expected) => {
    expect(parseMountOptions(options)).toMatchObject(expected);
  });

  it('never sets and clears one attribute, and leaves what it does not know to the file system', () => {
    const option = fc.oneof(fc.constantFrom(...mountOptionNames), fc.string());
    fc.assert(
      fc.property(fc.array(option), (options) => {
        const parsed = parseMountOptions(options);
        expect(parsed.set & parsed.clear & ~ATIME).toBe(0);
        expect(parsed.setBelow & parsed.clearBelow & ~ATIME).toBe(0);
        // the kernel refuses a way to keep access times without the clearing of all
        for (const [set, clear] of [
          [parsed.set, parsed.clear],
          [parsed.setBelow, parsed.clearBelow],
        ] as const)
          expect((set & ATIME) === 0 || (clear & ATIME) === ATIME).toBe(true);
        const known = new Set(mountOptionNames);
        expect(parsed.data).toEqual(options.filter((name) => name !== '' && !known.has(name)));
      }),
    );
  });
});
