import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileDeviceFilter } from '../../../../lib/cgroup/limits/device-filter.js';
import { deviceSteps, deviceWrites } from '../../../../lib/cgroup/limits/device-rules.js';
import { UnsupportedError } from '../../../../lib/errors.js';
import type { DeviceRule } from '../../../../lib/options/limits.js';
import type { Step } from '../../../../lib/plan/steps.js';
import { defaultDeviceRules } from '../../../../lib/security/paths.js';
import { rounds } from '../../../fixtures/rounds.js';
import { allowed, runDeviceFilter, V1Devices, type Wish } from '../device-models.js';

// few numbers, so that rules meet
const number = fc.integer({ min: 0, max: 2 });
const access = fc.subarray(['r', 'w', 'm'], { minLength: 1 }).map((letters) => letters.join(''));
const one: fc.Arbitrary<DeviceRule> = fc
  .record({ type: fc.constantFrom('b', 'c'), major: fc.option(number), minor: fc.option(number), access, allow: fc.boolean() })
  .map(
    ({ major, minor, ...rule }): DeviceRule => ({ ...rule, ...(major === null ? {} : { major }), ...(minor === null ? {} : { minor }) }),
  );
const all: fc.Arbitrary<DeviceRule> = fc.record({ type: fc.constant('a'), access, allow: fc.boolean() });
const rules = fc.array(fc.oneof({ weight: 4, arbitrary: one }, { weight: 1, arbitrary: all }), { maxLength: 12 });
/** Exceptions that overlap, letter by letter: by themselves they are rare. */
const overlapping = fc
  .array(one, { minLength: 2, maxLength: 6 })
  .map((list): DeviceRule[] => [
    { type: 'a', access: 'rwm', allow: false },
    ...list.map((rule): DeviceRule => ({ ...rule, type: 'c', allow: true })),
  ]);

/** Of numbers that rules name and of one that none does. */
const everyWish: Wish[] = (['b', 'c'] as const).flatMap((type) =>
  [0, 1, 2, 3].flatMap((major) =>
    [0, 1, 2, 3].flatMap((minor) => ['m', 'r', 'w', 'rw'].map((letters) => ({ type, major, minor, access: letters }))),
  ),
);

/** As the shim writes them: letter by letter where the kernel refuses all. */
function v1Of(list: readonly DeviceRule[], above?: V1Devices): V1Devices {
  const devices = new V1Devices(above);
  const bytes = (step: Step): string => (step.op === 'put' ? Buffer.from(step.bytes).toString() : '');
  for (const step of deviceSteps(deviceWrites(list, { above: above?.list ?? null }), 0)) {
    if (step.op === 'put') devices.write(step.path, bytes(step));
    if (step.op === 'allow_devices') for (const device of step.devices) allowDevice(devices, device);
  }
  return devices;
}

function allowDevice(devices: V1Devices, rule: string): void {
  const end = rule.lastIndexOf(' ');
  const [device, access] = [rule.slice(0, end), rule.slice(end + 1)];
  const letters = [access, ...access];
  for (const asked of letters) {
    try {
      devices.write('devices.allow', `${device} ${asked}`);
      if (asked === access) return;
    } catch (error) {
      if (!(error instanceof Error) || error.message !== 'EPERM') throw error;
    }
  }
}

describe('the BPF program', () => {
  it('decides as the rules mean', () => {
    fc.assert(
      fc.property(rules, (list) => {
        const program = compileDeviceFilter(list);
        expect(everyWish.filter((wanted) => runDeviceFilter(program, wanted) !== allowed(list, wanted))).toEqual([]);
      }),
      { numRuns: rounds(300, 10_000) },
    );
  });

  it('of no rules allows all', () => {
    expect(everyWish.every((wanted) => runDeviceFilter(compileDeviceFilter([]), wanted))).toBe(true);
  });
});

describe('the files of v1', () => {
  it('decide as the rules mean, or the rules are refused', () => {
    let kept = 0;
    const numRuns = rounds(300, 10_000);
    fc.assert(
      fc.property(fc.oneof(rules, overlapping), (list) => {
        try {
          const devices = v1Of(list);
          kept += 1;
          expect(everyWish.filter((wanted) => devices.allows(wanted) !== allowed(list, wanted))).toEqual([]);
        } catch (error) {
          if (!(error instanceof UnsupportedError)) throw error;
        }
      }),
      { numRuns },
    );
    expect(kept).toBeGreaterThan(0.5 * numRuns);
  });

  it('allow nothing that the group above refuses, and of single devices all that both allow', () => {
    const single = one.filter(({ major, minor }) => major !== undefined && minor !== undefined);
    const whole = all.map((rule): DeviceRule => ({ ...rule, access: 'rwm' }));
    const singles = fc.array(fc.oneof({ weight: 4, arbitrary: single }, { weight: 1, arbitrary: whole }), { maxLength: 12 });
    const both = (first: readonly DeviceRule[], second: readonly DeviceRule[]) => (wanted: Wish) =>
      [...wanted.access].every((letter) => [first, second].every((list) => allowed(list, { ...wanted, access: letter })));
    let kept = 0;
    const numRuns = rounds(300, 10_000);
    const below = (lists: fc.Arbitrary<DeviceRule[]>, isExact: boolean) =>
      fc.property(lists, lists, (upper, lower) => {
        try {
          const above = v1Of(upper);
          const devices = v1Of(lower, above);
          kept += 1;
          const expected = both(upper, lower);
          // Where it need not be exact, what is refused can't be wrong.
          const wrong = everyWish.filter((wanted) => (isExact || devices.allows(wanted)) && devices.allows(wanted) !== expected(wanted));
          expect(wrong).toEqual([]);
        } catch (error) {
          if (!(error instanceof UnsupportedError)) throw error;
        }
      });
    fc.assert(below(rules, false), { numRuns });
    fc.assert(below(singles, true), { numRuns });
    expect(kept).toBeGreaterThan(0.6 * numRuns);
  });

  it('are written as the kernel reads them', () => {
    const list: DeviceRule[] = [
      { type: 'a', access: 'rwm', allow: false },
      { type: 'c', major: 1, minor: 3, access: 'rwm', allow: true },
      { type: 'c', major: 136, access: 'rw', allow: true },
      { type: 'c', major: 1, minor: 3, access: 'm', allow: false },
    ];
    expect(deviceWrites(list).map(({ file, value }) => `${file}=${value}`)).toEqual([
      'devices.deny=a',
      'devices.allow=c 1:3 rw',
      'devices.allow=c 136:* rw',
    ]);
  });

  it('are two steps for a container: what is said of all devices, then all that are allowed', () => {
    expect(deviceSteps(deviceWrites(defaultDeviceRules), 4)).toEqual([
      { op: 'put', host: true, at: 4, path: 'devices.deny', bytes: Buffer.from('a') },
      { op: 'allow_devices', host: true, group: 4, devices: expect.arrayContaining(['c 1:3 rwm', 'c 136:* rwm', 'c 0:0 m']) },
    ]);
  });

  it('are a write each where some devices are refused', () => {
    const list: DeviceRule[] = [
      { type: 'a', access: 'rwm', allow: true },
      { type: 'c', major: 1, minor: 3, access: 'w', allow: false },
      { type: 'b', access: 'r', allow: false },
    ];
    const puts = deviceSteps(deviceWrites(list), 4).map((step) =>
      step.op === 'put' ? `${step.path} ${Buffer.from(step.bytes)}` : step.op,
    );
    expect(puts).toEqual(['devices.allow a', 'devices.deny c 1:3 w', 'devices.deny b *:* r']);
  });

  it('keep their order, where only those next to each other are allowed by one step', () => {
    const write = (file: string, value: string) => ({ controller: 'devices', file, value });
    const writes = [
      write('devices.deny', 'a'),
      write('devices.allow', 'c 1:3 rwm'),
      write('devices.allow', 'c 1:5 rwm'),
      write('devices.deny', 'c 1:3 w'),
      write('devices.allow', 'c 1:7 rwm'),
    ];
    const told = deviceSteps(writes, 4).map((step) => {
      if (step.op === 'put') return `${step.path} ${Buffer.from(step.bytes)}`;
      return step.op === 'allow_devices' ? step.devices : step.op;
    });
    expect(told).toEqual(['devices.deny a', ['c 1:3 rwm', 'c 1:5 rwm'], 'devices.deny c 1:3 w', ['c 1:7 rwm']]);
  });

  it('make no exception for making a device longer than it is, which the kernel asks for alone', () => {
    const list: DeviceRule[] = [
      { type: 'a', access: 'rwm', allow: false },
      { type: 'b', major: 8, minor: 20, access: 'r', allow: true },
      { type: 'b', major: 8, access: 'w', allow: true },
      { type: 'b', access: 'm', allow: true },
    ];
    expect(deviceWrites(list).map(({ value }) => value)).toEqual(['a', 'b 8:20 rw', 'b 8:* w', 'b *:* m']);
  });

  it('leave alone what a parent has, until rules say otherwise or replace others', () => {
    const list: DeviceRule[] = [{ type: 'b', access: 'w', allow: false }];
    expect(deviceWrites(list).map(({ value }) => value)).toEqual(['b *:* w']);
    expect(deviceWrites(list, { reset: true }).map(({ value }) => value)).toEqual(['a', 'b *:* w']);
    expect(deviceWrites([])).toEqual([]);
  });

  it('can not except from an exception', () => {
    const list: DeviceRule[] = [
      { type: 'a', access: 'rwm', allow: false },
      { type: 'c', access: 'm', allow: true },
      { type: 'c', major: 1, minor: 3, access: 'm', allow: false },
    ];
    expect(() => deviceWrites(list)).toThrow(/can't except c 1:3 m from c \*:\* m/);
  });
});

it("a container's own rules mean the same in both", () => {
  const devices = v1Of(defaultDeviceRules);
  const program = compileDeviceFilter(defaultDeviceRules);
  for (const wanted of everyWish) expect(runDeviceFilter(program, wanted)).toBe(devices.allows(wanted));
  expect(runDeviceFilter(program, { type: 'c', major: 1, minor: 3, access: 'rw' })).toBe(true);
  expect(runDeviceFilter(program, { type: 'b', major: 254, minor: 0, access: 'r' })).toBe(false);
});
