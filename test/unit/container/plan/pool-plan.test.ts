import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../../../lib/container/options/container-options.js';
import { planContainer, planHead } from '../../../../lib/container/plan/container-plan.js';
import { withContents } from '../../../../lib/container/plan/default-mounts.js';
import type { PlanInput, RootSource } from '../../../../lib/container/plan/plan-input.js';
import { mayBePooled, planLinks, planPooled, planPooledRun, slotsAfter } from '../../../../lib/container/plan/pool-plan.js';
import { joinParts, type Plan, type PlanParts, slotsOf } from '../../../../lib/plan/plan.js';
import type { Op, Step } from '../../../../lib/plan/steps.js';
import { bridged } from '../../../fixtures/attachments.js';
import { type Facts, inputOf, last, mounting, ops } from '../../../fixtures/container-plan.js';

/** As Container.pool plans it: what a run has of its own is not known when the first part is made. */
function pooled(options: object, run: object = {}, facts: Facts = {}): PlanParts {
  const input = inputOf(options, facts);
  const plan = planPooled(planHead(input), input);
  const own = inputOf({ ...options, ...run }, facts);
  return planPooledRun(plan, { ...input, ...{ options: own.options, streams: own.streams, slots: slotsAfter(plan) } });
}

function whole(options: object, facts: Facts = {}): readonly Step[] {
  const input = inputOf(options, facts);
  return last(joinParts(planContainer(planHead(input), input), { waits: false }));
}

const run = { copyIn: { '/in': 'text', '/etc/passwd': 'x' }, copyOut: ['/out'], timeout: 5, killSignal: 'SIGTERM' };
const shapes: [string, object, Facts?][] = [
  ['nothing more', {}],
  [
    'much',
    {
      hostname: 'own',
      sysctls: { 'net.ipv4.ip_forward': '1' },
      tmpfs: { '/scratch': '' },
      ulimits: { nofile: 64 },
      readOnly: true,
      init: true,
    },
  ],
  ['a folder of the host', { mounts: [{ type: 'bind', source: '/data', target: '/data' }], oomScoreAdj: 100, noNewPrivileges: false }],
  ['the volumes of an image', {}, { volumes: ['/data', '/data/below'] }],
  [
    'a user namespace',
    {},
    { userns: { kind: 'identity', uid: [{ inside: 0, outside: 0, count: 1 }], gid: [{ inside: 0, outside: 0, count: 1 }] } },
  ],
];

describe('the plan of a container of a pool', () => {
  it.each(shapes)('has the steps of a container that is made for a run: %s', (_, options, facts) => {
    const steps = ops(last(joinParts(pooled(options, run, facts), { waits: false })));
    expect([...steps].sort()).toEqual(ops(whole({ ...options, ...run }, facts)).sort());
  });

  it.each(shapes)('ends the first part when all is mounted, masked and named: %s', (_, options, facts) => {
    const { first, rest } = pooled(options, run, facts);
    const steps = first?.stages[0]?.steps ?? [];
    expect(steps.at(-1)).toEqual({ op: 'rest' });
    expect(ops(steps).indexOf('pivot')).toBeLessThan(ops(steps).indexOf('mask'));
    const early: Op[] = ['mask', 'readonly', 'sethostname', ...mounting.filter((op) => op !== 'set_mount')];
    expect(ops(rest.stages[0]?.steps ?? []).filter((op) => early.includes(op))).toEqual([]);
  });

  it.each(shapes)('has nothing of a run in the first part, which is the same for all: %s', (_, options, facts) => {
    expect(pooled(options, run, facts).first).toEqual(pooled(options, {}, facts).first);
    const late: Op[] = ['user', 'exec', 'stdio', 'capabilities', 'seccomp', 'no_new_privileges', 'rlimit', 'umask'];
    const early = ops(pooled(options, run, facts).first?.stages[0]?.steps ?? []);
    expect(early.filter((op) => late.includes(op))).toEqual([]);
  });

  it('looks the user up in the files that a run brings, and makes a root read-only after that', () => {
    const steps = pooled({ readOnly: true }, run).rest.stages[0]?.steps ?? [];
    const at = (fits: (step: Step) => boolean): number => steps.findIndex(fits);
    const [accounts, user, file, readOnly] = [
      at((step) => step.op === 'write_file' && step.path === '/etc/passwd'),
      at((step) => step.op === 'user' && step.apply === 0),
      at((step) => step.op === 'write_file' && step.path === '/in'),
      at((step) => step.op === 'set_mount'),
    ];
    expect([accounts, user, file, readOnly]).toEqual([...new Set([accounts, user, file, readOnly])].sort((a, b) => a - b));
    expect(accounts).toBeGreaterThanOrEqual(0);
  });

  it('covers in the first part what only the kernel shows, and the rest when the run comes', () => {
    const mounts = [{ type: 'bind', source: '/data', target: '/data' }];
    const listed = { maskedPaths: ['/data/keys', '/proc/keys', '/etc/keys'], readonlyPaths: ['/proc/sys', '/data/fixed'] };
    const { first, rest } = pooled({ mounts, ...listed });
    const covered = (plan: Plan | null) =>
      (plan?.stages[0]?.steps ?? []).flatMap((step) => (step.op === 'mask' || step.op === 'readonly' ? [[step.op, ...step.paths]] : []));
    expect(covered(first)).toEqual([
      ['readonly', '/sys'],
      ['mask', '/keys'],
    ]);
    expect(covered(rest)).toEqual([
      ['readonly', '/fixed'],
      ['mask', '/keys', '/etc/keys'],
    ]);
    // one mount can cover only where it is attached first
    const folders = [first, rest]
      .flatMap((plan) => plan?.stages[0]?.steps ?? [])
      .flatMap((step) => (step.op === 'mask' ? [step.folder] : []));
    expect(new Set(folders).size).toBe(2);
    const made = (first?.stages[0]?.steps ?? []).flatMap((step) => (step.op === 'filesystem' ? [step.out] : []));
    expect(made).toEqual(expect.arrayContaining(folders));
  });

  it('looks again whether /proc, /sys and /dev are in their places, where the root is a folder that others write to', () => {
    const input = inputOf({});
    const again = (root: RootSource) => {
      const plan = planPooled(planHead({ ...input, root }), { ...input, root });
      return plan.protect.flatMap((step) => (step.op === 'require_mount' ? [step.path] : []));
    };
    expect(again({ type: 'folder', path: '/root', bound: null })).toEqual(['/proc', '/sys', '/dev']);
    expect(again(input.root)).toEqual([]);
  });

  it('has the clocks and the end of the run, and undoes the groups with either part', () => {
    const { first, rest } = pooled({}, run);
    expect(rest).toMatchObject({ timeoutMs: 5, ending: { signal: 15 } });
    expect(first?.timeoutMs).toBeUndefined();
    expect(first?.undo).toEqual(rest.undo);
    expect(first?.undo).not.toEqual([]);
  });
});

/** What is asked for networks, bytes and all. Slots are those of one plan alone: they are numbered as they come. */
function requestsIn(steps: readonly Step[]): Step[] {
  const slots: number[] = [];
  const numbered = (slot: number): number => (slots.includes(slot) ? slots.indexOf(slot) : slots.push(slot) - 1);
  return steps.flatMap((step): Step[] => {
    if (step.op === 'netlink') return [{ ...step, socket: numbered(step.socket), patch: numbered(step.patch) }];
    return step.op === 'rename' ? [step] : [];
  });
}

describe('a container that joins its networks with its run', () => {
  const later = (facts: Facts = {}, files = { hosts: '', hostname: 'inside\n', resolvConf: '' }): PlanParts => {
    const waiting = inputOf({ network: 'shop' });
    const empty = { hosts: '', hostname: 'inside\n', resolvConf: '' };
    const table = { ...waiting.table, files: withContents(waiting.table.files, empty) };
    const plan = planPooled(planHead({ ...waiting, table }), { ...waiting, table }, { joinsLater: true });
    const own = inputOf({ network: 'shop' }, facts);
    const filled = { ...table, files: withContents(table.files, files) };
    return planPooledRun(plan, { ...own, table: filled, slots: slotsAfter(plan) });
  };
  const joined = later({ attachments: [bridged('10.1.0.7/16')] }, { hosts: 'hosts', hostname: 'inside\n', resolvConf: 'servers' });

  it('waits with nothing of them but the settings of links to come', () => {
    expect(joined.first).toEqual(later({ attachments: [bridged('10.1.0.8/16')] }).first);
    const all = [...(joined.first?.prepare ?? []), ...(joined.first?.stages[0]?.steps ?? []), ...(joined.first?.undo ?? [])];
    expect(ops(all).filter((op) => /^(net|open_namespace|put_|link$|unlink)/.test(op))).toEqual([]);
    const set = all.flatMap((step) => (step.op === 'sysctl' && step.path.startsWith('net/') ? [step.path] : []));
    expect(set).toContain('net/ipv6/conf/default/accept_ra');
  });

  it('has the shim join them before its process goes on, by the steps of one that is made for its run', () => {
    const input = inputOf({ network: 'shop' }, { attachments: [bridged('10.1.0.7/16')] });
    const made = joinParts(planContainer(planHead(input), input), { waits: false });
    const { prepare, stages } = joined.rest;
    const requests = requestsIn(prepare.flatMap((step) => (step.op === 'run_steps' ? step.steps : [step])));
    expect(ops(requests)).toEqual(expect.arrayContaining(['rename', 'netlink']));
    expect(requests).toEqual(requestsIn([...made.prepare, ...made.stages.flatMap(({ steps }) => steps)]));
    expect(ops(stages.flatMap(({ steps }) => steps))).not.toContain('netlink');
  });

  it('has their links before its run where these go with its namespace alone, and the rest of them in the run', () => {
    const attachments = [bridged('10.1.0.7/16')];
    const of = { attachments, hasIpv6: true };
    const waiting = inputOf({ network: 'shop' });
    const plan = planPooled(planHead(waiting), waiting, { joinsLater: true });
    const input = (): PlanInput => ({ ...inputOf({ network: 'shop' }, { attachments }), slots: slotsAfter(plan) });
    const { rest } = planPooledRun(plan, input());
    const links = planLinks(plan, of, waiting.options);
    const make = links?.make ?? [];
    const remove = links?.remove ?? [];
    // the run makes the links, or does what was put in the place of that when they were made
    const number = attachments[0]?.port.index;
    const made = rest.prepare.flatMap((step) =>
      step.op === 'run_steps' && step.first === number && step.last === number ? [step.steps] : [],
    );
    expect(made.map((steps) => requestsIn([...steps]))).toEqual([requestsIn(make)]);
    expect(ops(rest.prepare)).not.toContain('netlink');
    expect(make.at(-1)).toEqual({ op: 'keep_steps', host: true, key: number, steps: [] });
    // what has failed half way is removed first
    expect(make[0]).toEqual({ op: 'keep_steps', host: true, key: number, steps: [...remove, ...make.slice(1, -1)] });
    expect(remove).toContainEqual(expect.objectContaining({ op: 'remove_links', group: number }));
    // whatever is opened for them is closed again: the run has the same slots
    const opened = [...make, ...remove].flatMap((step) => ('out' in step ? [step.out] : []));
    const closed = [...make, ...remove].flatMap((step) => (step.op === 'close' ? [step.slot] : []));
    expect(closed.sort()).toEqual(opened.sort());
    const bandwidth = parseRunOptions({ image: 'host', command: ['true'], network: 'shop', bandwidth: { egress: 1_000_000 } });
    expect(planLinks(plan, of, bandwidth)).toBeNull();
  });

  it('has what follows from them written into its files', () => {
    const written = joined.rest.stages
      .flatMap(({ steps }) => steps)
      .flatMap((step) => (step.op === 'put' ? [[step.path, String(Buffer.from(step.bytes))]] : []));
    expect(written).toEqual([
      ['etc/hosts', 'hosts'],
      ['etc/resolv.conf', 'servers'],
    ]);
  });
});

/** The container is one of two processes, of which the second waits. */
describe('a container of a pool in a user namespace that is given', () => {
  const map = [{ inside: 0, outside: 500_000, count: 65_536 }];
  const facts: Facts = { userns: { kind: 'given', fd: 30, uid: map, gid: map, back: null } };
  const limited = { ulimits: { nofile: 64 }, scheduler: { policy: 'batch', nice: -5 }, readOnly: true, userns: 'auto' };

  it('has the steps of a container that is made for a run, but that the shim gives its pipes to the root inside', () => {
    const input = inputOf({ ...limited, ...run }, facts);
    const all = ({ prepare, stages }: Plan): Op[] => ops([...prepare, ...stages.flatMap(({ steps }) => steps)]).sort();
    const planned = joinParts(pooled(limited, run, facts), { waits: false });
    expect(all(planned)).toEqual(all(joinParts(planContainer(planHead(input), input), { waits: false })));
    const given = planned.prepare.filter(({ op }) => op === 'chown_to');
    expect(given.length).toBeGreaterThan(0);
    for (const step of given) expect(step).toMatchObject({ host: true, uid: 500_000, gid: 500_000 });
  });

  it('waits inside, when what needs rights outside is done', () => {
    const { first, rest } = pooled(limited, run, facts);
    const [outside = [], inside = []] = (first?.stages ?? []).map(({ steps }) => ops(steps));
    expect(outside).toEqual(expect.arrayContaining(['raise_limit', 'scheduler']));
    expect(outside.slice(-2)).toEqual(['setns', 'clone']);
    expect(inside.at(-1)).toBe('rest');
    expect(rest.stages.map(({ steps }) => steps.length > 0)).toEqual([false, true]);
    expect(ops(rest.stages[1]?.steps ?? [])).not.toContain('scheduler');
  });

  it('is refused a run with a limit that it was not given outside', () => {
    const input = inputOf(limited, facts);
    const plan = planPooled(planHead(input), input);
    const more = { ...input.program, ulimits: { ...input.program.ulimits, core: 0 } };
    expect(() => planPooledRun(plan, { ...input, slots: slotsAfter(plan), program: more })).toThrow('raise_limit');
  });

  it('keeps each slot that the rest takes and does not fill itself', () => {
    const options = { ...limited, maskedPaths: ['/etc/hidden'] };
    const { first, rest } = pooled(options, { ...run, tty: true }, facts);
    const input = inputOf(options, facts);
    const { free } = planPooled(planHead(input), input);
    const clone = first?.stages[0]?.steps.at(-1);
    const keep = new Set(clone?.op === 'clone' ? clone.keep : []);
    const steps = rest.stages.flatMap((stage) => stage.steps);
    const filled = new Set(
      [...(first?.stages[1]?.steps ?? []), ...steps].flatMap((step) => ('out' in step && step.out !== undefined ? [step.out] : [])),
    );
    const own = new Set(rest.returns);
    for (const slot of steps.flatMap(slotsOf)) {
      // a run's slots come after those of the first part
      if (!filled.has(slot) && !own.has(slot) && slot < free) expect(keep, String(slot)).toContain(slot);
    }
  });
});

describe('a run that no container of a pool can have', () => {
  const table = { maskedPaths: ['/proc/keys', '/etc/hidden'], readonlyPaths: ['/proc/sys'] };
  const fits = (options: object): boolean => mayBePooled(inputOf(options).options, table);

  it.each<[string, object, boolean]>([
    ['text', { copyIn: { '/in': 'text' } }, true],
    ['a file of the host', { copyIn: { '/in': { source: '/x' } } }, false],
    ['text in what is masked', { copyIn: { '/etc/hidden/x': '' } }, false],
    ['text at what is masked', { copyIn: { '/etc/hidden': '' } }, false],
    ['text above what is masked', { copyIn: { '/etc': { content: '' } } }, false],
    ['text beside what is masked', { copyIn: { '/etc/hidden2': '' } }, true],
    ['text in what is read-only', { copyIn: { '/proc/sys/x': '' } }, false],
    ['input', { input: 'x' }, true],
    ['a file as input', { stdin: { file: '/x' } }, false],
    ['a file as input that Node copies', { stdin: { file: '/x' }, profile: 'untrusted' }, true],
    ['a file as output', { stdout: { file: '/x' } }, true],
  ])('is known: %s', (_, options, expected) => {
    expect(fits(options)).toBe(expected);
  });
});
