import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../../lib/plan/plan.js';
import type { Streams } from '../../../../lib/process/streams/child-end.js';
import { first, last, plan, usual } from '../../../fixtures/container-plan.js';

describe('streams', () => {
  const streamsOf = (streams: Streams): Plan => plan({}, { streams });

  it("'ignore' is the container's own null device", () => {
    const steps = last(streamsOf({ ends: [{ type: 'null' }, { type: 'null' }, { type: 'pipe', fd: 12 }], copies: [] }));
    const opened = steps.flatMap((step) => (step.op === 'open_null' ? [step] : []));
    const dev = steps.find((step) => step.op === 'mknod' && step.path === 'null');
    expect(opened.map(({ flags, dev: folder }) => [flags, folder])).toEqual([
      [0, dev?.op === 'mknod' ? dev.root : null],
      [1, dev?.op === 'mknod' ? dev.root : null],
    ]);
    expect(steps.filter((step) => step.op === 'open' && step.path === '/dev/null')).toEqual([]);
  });

  it('below a group of the caller, whose device rules may refuse it, the shim opens that', () => {
    const streams: Streams = { ends: [{ type: 'null' }, usual.ends[1], usual.ends[2]], copies: [] };
    const steps = last(plan({ cgroupParent: 'g' }, { streams }));
    const opened = steps.findIndex((step) => step.op === 'open_null');
    expect(steps[opened]).toMatchObject({ host: true });
    const dev = (steps[opened] as { dev?: number }).dev;
    expect(steps.slice(0, opened)).toContainEqual({ op: 'give', slot: dev });
    // whoever closes /dev last waits for all files in it
    const [given, closed] = (['give', 'close'] as const).map((op) =>
      steps.flatMap((step, i) => (step.op === op && step.slot === dev ? [i] : [])),
    );
    expect(given?.length).toBe(closed?.length);
    expect(given?.every((at, i) => at < (closed?.[i] ?? -1) && (steps[closed?.[i] ?? -1]?.host ?? false))).toBe(true);
  });

  it('a file to read from is opened by a read-only mount of its own, before the root is pivoted', () => {
    const steps = last(streamsOf({ ends: [{ type: 'file', path: '/in' }, usual.ends[1], usual.ends[2]], copies: [] }));
    const cloned = steps.findIndex((step) => step.op === 'clone_mount' && step.path === '/in');
    const [clone, readOnly, reopened] = steps.slice(cloned);
    expect(readOnly).toMatchObject({ op: 'set_mount', set: 0xf, mount: clone?.op === 'clone_mount' ? clone.out : null });
    expect(reopened).toMatchObject({ op: 'reopen', slot: clone?.op === 'clone_mount' ? clone.out : null });
    expect(cloned).toBeLessThan(first(steps, 'pivot'));
    expect(steps.find((step) => step.op === 'stdio')).toMatchObject({ slot: reopened?.op === 'reopen' ? reopened.out : null });
  });

  it('copies are the last thing that is prepared, and the program has none of their descriptors', () => {
    const copies = [{ from: 20, to: 21, option: 'stdin', path: null }];
    const planned = streamsOf({ ...usual, copies });
    const pump = planned.prepare.at(-1);
    const set = last(planned).flatMap((step) => (step.op === 'stdio' ? [step.slot] : []));
    expect(pump).toMatchObject({ op: 'pump', host: true });
    if (pump?.op === 'pump') for (const slot of [...pump.from, ...pump.to]) expect(set).not.toContain(slot);
  });
});

describe('protected paths', () => {
  const protectedBy = (options: object) => {
    const steps = last(plan(options));
    const slots = new Map(steps.flatMap((step) => (step.op === 'attach' ? [[step.path, step.mount] as const] : [])));
    const mask = steps.find((step) => step.op === 'mask');
    const masked = mask?.op === 'mask' ? mask.paths.map((path, i) => [mask.roots[i], path]) : [];
    return { slots, masked, required: steps.flatMap((step) => (step.op === 'require_mount' ? [[step.path, step.mount]] : [])) };
  };

  it('are looked for below the mounts that hold them', () => {
    const { slots, masked, required } = protectedBy({});
    expect(masked).toContainEqual([slots.get('/proc'), '/kcore']);
    expect(masked).toContainEqual([slots.get('/sys'), '/firmware']);
    expect(required).toEqual(['/proc', '/sys', '/dev'].map((path) => [path, slots.get(path)]));
  });

  it("also below the caller's mounts, the last one that covers them, and one more proc", () => {
    const mounts = [
      { type: 'bind', source: '/p', target: '/proc' },
      { type: 'proc', target: '/other' },
      { type: 'tmpfs', target: '/data' },
    ];
    const { slots, masked, required } = protectedBy({ mounts, maskedPaths: ['/proc/kcore', '/data/../data/secret', '/elsewhere'] });
    const [root] = masked.find(([, path]) => path === '/elsewhere') ?? [];
    expect(masked).toEqual([
      [slots.get('/proc'), '/kcore'],
      [slots.get('/other'), '/kcore'],
      [slots.get('/data'), '/secret'],
      [root, '/elsewhere'],
    ]);
    expect(required).toContainEqual(['/proc', slots.get('/proc')]);
  });
});

describe('a path that is set up with the rights of root', () => {
  it('may end in the mount that holds it by its name alone', () => {
    const mounts = [
      { type: 'bind', source: '/data', target: '/data' },
      { type: 'bind', source: '/passwd', target: '/etc/passwd' },
      { type: 'tmpfs', target: '/data/tmp' },
    ];
    const copyIn = { '/data/in': 'text', '/data': { source: '/tree' }, '/data/tmp/in': 'text', '/box/in': 'text' };
    const steps = last(plan({ mounts, copyIn }));
    const slots = new Map(steps.flatMap((step) => (step.op === 'attach' ? [[step.path, step.mount] as const] : [])));
    const [root, data, passwd] = [steps.find(({ op }) => op === 'pivot'), slots.get('/data'), slots.get('/etc/passwd')];
    const own = root?.op === 'pivot' ? root.root : null;
    const before = [own, slots.get('/proc'), slots.get('/sys'), slots.get('/dev')];
    const all = [...before, data, passwd];
    const found = steps.flatMap((step) =>
      'on' in step && step.on.length > 0 ? [[step.op, 'path' in step ? step.path : '', step.on, step.mounts]] : [],
    );
    expect(found).toEqual([
      ['attach', '/data', [own], before],
      ['attach', '/etc/passwd', [own], [...before, data]],
      ['attach', '/data/tmp', [data], all],
      ...['/etc/hosts', '/etc/hostname', '/etc/resolv.conf'].map((path) => ['attach', path, [own], all]),
      ['user', '', [passwd, own], all],
      ['write_file', '/data/in', [data], all],
      ['copy_in', '/data', [own, data], all],
      ['write_file', '/data/tmp/in', [data], all],
      ['write_file', '/box/in', [own], all],
      ['chdir', '/work', [own], all],
    ]);
  });
});
