import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allCapabilities, capabilityMask, capabilityNames } from '../../../lib/plan/capability-names.js';
import { defaultCapabilities, heldCapabilities, namesOf, resolveCapabilities } from '../../../lib/security/capabilities.js';

describe('capabilityNames', () => {
  it('has the numbers of linux/capability.h', () => {
    expect(capabilityNames).toHaveLength(41);
    const numbers = {
      CHOWN: 0,
      KILL: 5,
      SETPCAP: 8,
      NET_ADMIN: 12,
      NET_RAW: 13,
      SYS_CHROOT: 18,
      SYS_ADMIN: 21,
      MKNOD: 27,
      SETFCAP: 31,
      SYSLOG: 34,
    };
    for (const [name, number] of Object.entries({ ...numbers, AUDIT_READ: 37, PERFMON: 38, BPF: 39, CHECKPOINT_RESTORE: 40 })) {
      expect([name, (capabilityNames as readonly string[]).indexOf(name)]).toEqual([name, number]);
    }
  });

  it('survives the way to a mask and back', () => {
    fc.assert(
      fc.property(fc.subarray([...capabilityNames]), (names) => {
        expect(namesOf(capabilityMask(...names))).toEqual(names);
      }),
    );
  });
});

describe('resolveCapabilities', () => {
  it('gives the eleven of podman by default', () => {
    expect(resolveCapabilities({})).toBe(0x800405fbn); // As podman shows in CapBnd.
    expect(namesOf(defaultCapabilities)).toHaveLength(11);
  });

  it.each([
    ['cap_net_raw', 'NET_RAW'],
    ['CAP_NET_RAW', 'NET_RAW'],
    ['Net_Raw', 'NET_RAW'],
  ] as const)('takes %s for %s', (given, name) => {
    expect(resolveCapabilities({ capAdd: [given], capDrop: ['ALL'] })).toBe(capabilityMask(name));
  });

  it('combines as docker does', () => {
    expect(resolveCapabilities({ capDrop: ['KILL'] })).toBe(defaultCapabilities & ~capabilityMask('KILL'));
    expect(resolveCapabilities({ capAdd: ['KILL'], capDrop: ['KILL'] })).toBe(defaultCapabilities);
    expect(resolveCapabilities({ capDrop: ['all'] })).toBe(0n);
    expect(resolveCapabilities({ capAdd: ['NET_ADMIN'], capDrop: ['ALL'] })).toBe(capabilityMask('NET_ADMIN'));
    expect(resolveCapabilities({ capAdd: ['ALL'] })).toBe(allCapabilities);
    expect(resolveCapabilities({ capAdd: ['ALL'], capDrop: ['SYS_ADMIN'] })).toBe(allCapabilities & ~capabilityMask('SYS_ADMIN'));
  });

  it('gives no more than this process holds', () => {
    const held = allCapabilities & ~capabilityMask('SYS_RESOURCE');
    expect(resolveCapabilities({ capAdd: ['ALL'], held })).toBe(held);
    expect(() => resolveCapabilities({ capAdd: ['SYS_RESOURCE'], held })).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED', feature: 'capability SYS_RESOURCE' }),
    );
    expect(() => resolveCapabilities({ held: 0n })).toThrow(expect.objectContaining({ feature: 'capability CHOWN' }));
    expect(resolveCapabilities({ capDrop: ['ALL'], held: 0n })).toBe(0n);
  });

  it.each([
    [{ capAdd: ['NET_ADMN'] }, 'option capAdd: there is no capability "NET_ADMN"; did you mean \'NET_ADMIN\'?'],
    [{ capDrop: ['CAP_SYS_TIMES'] }, 'option capDrop: there is no capability "CAP_SYS_TIMES"; did you mean \'SYS_TIME\'?'],
    [{ capAdd: ['everything'] }, 'option capAdd: there is no capability "everything"'],
    [{ capAdd: [''] }, 'option capAdd: there is no capability ""'],
    [{ capAdd: ['ALL'], capDrop: ['ALL'] }, 'option capAdd: ALL is in capDrop as well'],
  ])('refuses %j', (options, message) => {
    expect(() => resolveCapabilities(options)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION', message }));
  });
});

describe('heldCapabilities', () => {
  it('is what is permitted and in the bounding set', () => {
    const status =
      'Name:\tnode\nCapInh:\t0000000000000000\nCapPrm:\t000001fffeffffff\nCapEff:\t0\nCapBnd:\t000001ffffffffdf\nCapAmb:\t0000000000000000\n';
    expect(heldCapabilities(status)).toBe(allCapabilities & ~capabilityMask('SYS_RESOURCE', 'KILL'));
    expect(heldCapabilities('')).toBe(0n);
  });
});
