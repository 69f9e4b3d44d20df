import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../../lib/plan/plan.js';
import type { Streams } from '../../../../lib/process/streams/child-end.js';
import { end, first, last, ops, parts, places, plan } from '../../../fixtures/container-plan.js';

const terminal: Streams = {
  ends: [{ type: 'null' }, { type: 'null' }, { type: 'null' }],
  terminal: { columns: 100, rows: 30 },
  copies: [],
};
const planned = (options: object = {}, park = false): Plan => plan(options, { streams: terminal, park });

it('a log has our ends of the pipes alone, from before the first process', () => {
  const log = { folder: 40, pipes: [41, 42], bytes: 1000, segments: 3 };
  const { prepare, stages } = plan({}, { streams: { ends: terminal.ends, copies: [], log } });
  const [at] = places(prepare, ({ op }) => op === 'log');
  expect(prepare.slice(at)).toMatchObject([
    { op: 'log', from: [41, 42], folder: 40 },
    { op: 'close', host: true, slot: 41 },
    { op: 'close', host: true, slot: 42 },
  ]);
  expect(stages.flatMap(({ steps }) => ops(steps))).not.toContain('log');
});

describe('a terminal', () => {
  it('is opened in its size when there is the container’s root, and its user was looked up', () => {
    const steps = last(planned());
    expect(steps.find(({ op }) => op === 'open_terminal')).toMatchObject({ columns: 100, rows: 30 });
    expect(first(steps, 'open_terminal')).toBeGreaterThan(first(steps, 'pivot'));
    const [lookedUp] = places(steps, (step) => step.op === 'user' && step.apply === 0);
    expect(first(steps, 'open_slave')).toBeGreaterThan(lookedUp ?? Number.NaN);
  });

  it('is all three streams', () => {
    const steps = last(planned());
    const slave = steps.find(({ op }) => op === 'open_slave');
    const slot = slave?.op === 'open_slave' ? slave.out : null;
    expect(steps.filter(({ op }) => op === 'stdio')).toEqual([0, 1, 2].map((fd) => ({ op: 'stdio', slot, fd })));
    expect(ops(steps)).not.toContain('open_null');
  });

  it('goes to the shim with both sides, and its master to Node, before the program can do anything', () => {
    const { rest } = parts({}, { streams: terminal });
    const steps = last(rest);
    const master = steps.find(({ op }) => op === 'open_terminal');
    const slot = master?.op === 'open_terminal' ? master.out : undefined;
    expect(rest.returns).toContain(slot);
    expect(steps.filter(({ op }) => op === 'give')).toHaveLength(2);
    const [closed] = places(steps, (step) => step.op === 'close' && step.slot === slot);
    expect(closed).toBeLessThan(first(steps, 'stdio'));
  });

  it('is taken by the process that becomes the program, in a session that it leads', () => {
    expect(ops(last(planned({}, true))).slice(-3)).toEqual(['control_terminal', 'park', 'exec']);
    expect(ops(last(planned({ init: true }))).slice(-4)).toEqual(['init', 'setsid', 'control_terminal', 'exec']);
    const joined = planned({ namespaces: { pid: { type: 'pid', fd: 20, inode: 1n } } });
    expect(joined.stages).toHaveLength(2);
    const inside = last(joined);
    expect(first(inside, 'setsid')).toBeLessThan(first(inside, 'control_terminal'));
    expect(ops(joined.stages[0]?.steps ?? [])).toContain('open_terminal');
  });

  it('is the console, unless something of the caller’s is there', () => {
    const onConsole = (of: Plan): unknown[] => last(of).filter((step) => step.op === 'attach' && step.path === '/dev/console');
    expect(onConsole(planned())).toHaveLength(1);
    for (const target of ['/dev', '/dev/console']) {
      const own = onConsole(planned({ mounts: [{ type: 'bind', source: '/srv', target }] }));
      expect(own).toHaveLength(target === '/dev' ? 0 : 1);
    }
  });

  it('is read by a log from before the program runs, where there is one', () => {
    const log = { folder: 40, pipes: [], bytes: 1000, segments: 3 };
    const planned = plan({}, { streams: { ...terminal, log }, park: true });
    const steps = last(planned);
    const made = steps.find(({ op }) => op === 'open_terminal');
    const master = made?.op === 'open_terminal' ? made.out : -1;
    expect(steps.find(({ op }) => op === 'log')).toEqual({ op: 'log', host: true, from: [master], folder: 40, bytes: 1000, segments: 3 });
    const [given] = places(steps, (step) => step.op === 'give' && step.slot === master);
    expect(first(steps, 'log')).toBeGreaterThan(given ?? Number.NaN);
    expect(first(steps, 'log')).toBeLessThan(first(steps, 'park'));
    // others type and change the size by the master, so the shim keeps it
    const closes = [...planned.prepare, ...steps].filter((step) => step.op === 'close' && step.slot === master && step.host);
    expect(closes).toEqual([]);
  });

  it('is not there when nobody asks for it', () => {
    const steps = ops(last(plan()));
    for (const op of ['open_terminal', 'open_slave', 'control_terminal', 'give'] as const) expect(steps).not.toContain(op);
    expect(end(last(plan()), 'stdio')).toBeGreaterThan(0);
  });
});
