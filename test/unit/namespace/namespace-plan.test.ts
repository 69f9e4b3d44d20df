import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnsupportedError } from '../../../lib/errors.js';
import { flagsOf, typeOfFlag } from '../../../lib/namespace/clone-flags.js';
import { parseCreate } from '../../../lib/namespace/namespace-options.js';
import {
  encodeTimeOffsets,
  joinOrder,
  pinSteps,
  planNamespaceRun,
  planNamespaces,
  unpinSteps,
} from '../../../lib/namespace/namespace-plan.js';
import { CLONE } from '../../../lib/plan/constants.js';
import { namespaceTypes } from '../../../lib/plan/namespace-types.js';
import { type Plan, Slots } from '../../../lib/plan/plan.js';
import { parseProgramOptions } from '../../../lib/process/options/process-options.js';

const shown = (plan: Plan): string[][] =>
  plan.stages.map(({ steps }) =>
    steps.map((step) => {
      if (step.op === 'open_namespace' || step.op === 'setns') return `${step.op} ${step.type}`;
      return step.op === 'write_process' ? `${step.path} = ${Buffer.from(step.bytes)}` : step.op;
    }),
  );

const made = (types: (typeof namespaceTypes)[number][], options = {}): Plan =>
  planNamespaces(parseCreate(types, options), null, new Slots()).plan;

describe('flags', () => {
  it('are the kernel’s, one for each type', () => {
    expect(flagsOf(['mnt', 'net'])).toBe(0x40020000);
    for (const type of namespaceTypes) expect(typeOfFlag(CLONE[type])).toBe(type);
    expect(typeOfFlag(1)).toBeUndefined();
  });
});

describe('new namespaces', () => {
  it('are held by a process until the descriptors are out', () => {
    const plan = made(['net', 'uts'], { hostname: 'h' });
    expect(plan.stages[0]?.flags).toBe(CLONE.net | CLONE.uts);
    expect(shown(plan)).toEqual([['sethostname', 'parent_death_signal', 'open_namespace net', 'open_namespace uts', 'pause']]);
    expect(plan.returns).toHaveLength(2);
  });

  it('map before anything is done in them', () => {
    expect(shown(made(['user', 'uts'], { uidMap: [{ inside: 0, outside: 5, count: 6 }], hostname: 'h' }))[0]?.slice(0, 3)).toEqual([
      'gid_map = 0 0 1\n',
      'uid_map = 0 5 6\n',
      'sethostname',
    ]);
  });

  it('of time: offsets before the first process, the pid namespace only with it', () => {
    const plan = made(['pid', 'time', 'net'], { timeOffsets: { boottime: 1500 } });
    expect(plan.stages.map(({ flags }) => flags)).toEqual([CLONE.net, CLONE.pid]);
    expect(shown(plan)[0]).toEqual(['unshare', 'timens_offsets = monotonic 0 0\nboottime 1 500000000\n', 'clone']);
    expect(shown(plan)[1]).toEqual([
      'parent_death_signal',
      'open_namespace pid',
      'open_namespace time',
      'open_namespace net',
      // nobody in the pid namespace shall see the host by the root of the one that holds it
      'unshare',
      'set_propagation',
      'filesystem',
      'attach_at',
      'pivot',
      'close',
      'no_new_privileges',
      'bound_capabilities',
      'capabilities',
      'pause',
    ]);
  });
});

describe('clock offsets', () => {
  it('have whole seconds and ns that are never negative', () => {
    expect(Buffer.from(encodeTimeOffsets({ monotonic: -500, boottime: 2.5 })).toString()).toBe(
      'monotonic -1 500000000\nboottime 0 2500000\n',
    );
  });

  it('mean what was asked for', () => {
    const ms = fc.integer({ min: -4e12, max: 4e12 });
    fc.assert(
      fc.property(ms, ms, (monotonic, boottime) => {
        const text = Buffer.from(encodeTimeOffsets({ monotonic, boottime })).toString();
        const read = [...text.matchAll(/^\w+ (-?\d+) (\d+)$/gm)].map(
          ([, seconds, rest]) => BigInt(seconds ?? '') * 1_000_000_000n + BigInt(rest ?? ''),
        );
        expect(read).toEqual([monotonic, boottime].map((offset) => BigInt(offset) * 1_000_000n));
      }),
    );
  });
});

describe('options of create', () => {
  it.each([
    [[], {}, 'types'],
    [['nope'], {}, 'types'],
    [['net', 'net'], {}, 'twice'],
    [['net'], { uidMap: [{ inside: 0, outside: 0, count: 1 }] }, 'uidMap'],
    [['net'], { gidMap: [{ inside: 0, outside: 0, count: 1 }] }, 'gidMap'],
    [['net'], { hostname: 'x' }, 'hostname'],
    [['uts'], { hostname: 'x'.repeat(65) }, 'hostname'],
    [['uts'], { hostnam: 'x' }, 'hostname'],
    [['net'], { timeOffsets: {} }, 'timeOffsets'],
    [['time'], { timeOffsets: { monotonic: Number.NaN } }, 'timeOffsets'],
    [['user'], { uidMap: [{ inside: 0, outside: 0, count: 0 }] }, 'uidMap'],
    [['user'], { uidMap: [] }, 'uidMap'],
  ])('%j %j: refused', (types, options, word) => {
    expect(() => parseCreate(types, options)).toThrow(word);
  });
});

describe('a program in namespaces', () => {
  const run = (types: (typeof namespaceTypes)[number][], options = {}, { privileged = true, group = false } = {}): Plan => {
    const slots = new Slots();
    return planNamespaceRun({
      slots,
      namespaces: types.map((type, i) => ({ type, fd: 100 + i })),
      command: ['true'],
      options: parseProgramOptions(options),
      env: [],
      streams: { ends: [{ type: 'null' }, { type: 'pipe', fd: 8 }, { type: 'file', path: '/f' }], copies: [] },
      privileged,
      keepsGroups: false,
      group: group ? { prepare: [], slot: slots.take(), undo: [] } : null,
    });
  };

  it('joins as root what may be owned by others first, the user namespace last', () => {
    expect(shown(run(['mnt', 'user', 'net']))[0]?.filter((step) => step.startsWith('setns'))).toEqual([
      'setns net',
      'setns mnt',
      'setns user',
    ]);
  });

  it('joins the user namespace first without rights of its own', () => {
    expect(
      joinOrder(
        [
          { type: 'net', fd: 3 },
          { type: 'user', fd: 4 },
        ],
        false,
      ).map(({ type }) => type),
    ).toEqual(['user', 'net']);
  });

  it('is a child where a pid namespace is joined', () => {
    const plan = run(['pid', 'uts']);
    expect(shown(plan)[0]).toEqual(['open', 'open', 'dumpable', 'setns pid', 'setns uts', 'refuse_descriptors', 'clone']);
    expect(shown(plan)[1]?.at(-1)).toBe('exec');
  });

  it('hands the child its streams and nothing else', () => {
    const [before, child] = run(['pid', 'net']).stages;
    const clone = before?.steps.at(-1);
    const streams = child?.steps.flatMap((step) => (step.op === 'stdio' ? [step.slot] : []));
    expect(clone).toEqual({ op: 'clone', stage: 1, keep: streams });
  });

  it('becomes root of a user namespace unless somebody else is asked for', () => {
    const users = (plan: Plan) => plan.stages.flatMap(({ steps }) => steps.flatMap((step) => (step.op === 'user' ? [step.user] : [])));
    expect(users(run(['user']))).toEqual(['0:0', '0:0']);
    expect(users(run(['user'], { user: '5' }))).toEqual(['5', '5']);
    expect(users(run(['net']))).toEqual([]);
  });

  it('is killed as a tree, and its time counted, by its group', () => {
    const plan = run(['net'], { timeout: 5, cpuTimeLimit: 7 }, { group: true });
    expect(plan).toMatchObject({ timeoutMs: 5, killGroup: { at: 0 }, cpuClock: { limitMs: 7, path: 'cpu.stat' } });
    expect(() => run(['net'], { cpuTimeLimit: 7 })).toThrow(UnsupportedError);
  });
});

it('pinning binds the namespace to the file, unpinning takes both away', () => {
  const slots = new Slots();
  expect(pinSteps(9, '/p', slots).map(({ op }) => op)).toEqual(['clone_mount', 'attach_at']);
  expect([...slots.descriptors.values()]).toEqual([9]);
  expect(unpinSteps('/p').map(({ op }) => op)).toEqual(['detach', 'unlink']);
  expect(pinSteps(9, '/run/netns/p', new Slots()).map(({ op }) => op)).toEqual(['share_folder', 'clone_mount', 'attach_at']);
});
