import { describe, expect, it } from 'vitest';
import { CLONE, PROPAGATION } from '../../../../lib/plan/constants.js';
import { joinParts, type Plan, type PlanParts } from '../../../../lib/plan/plan.js';
import { MOUNT_ATTR } from '../../../../lib/plan/recipe.js';
import type { Op, Step } from '../../../../lib/plan/steps.js';
import { end, type Facts, first, last, leaseOf, mounting, ops, parts, places, plan } from '../../../fixtures/container-plan.js';
import { hybrid, systemd } from '../../cgroup/machines.js';

describe('the order of a container', () => {
  const everything = {
    hostname: 'inside',
    sysctls: { 'net.ipv4.ip_forward': '1' },
    mounts: [{ type: 'bind', source: '/data', target: '/data', readOnly: true }],
    tmpfs: { '/scratch': '' },
    copyIn: { '/in': 'text', '/tree': { source: '/tree' } },
    ulimits: { nofile: 64 },
    readOnly: true,
    oomScoreAdj: 100,
  };
  const steps = last(plan(everything));

  it('nobody can look into it from its first step on', () => {
    expect(steps[0]).toEqual({ op: 'dumpable', value: 0 });
  });

  it('its groups are joined before anything is charged or seen of them', () => {
    expect(end(steps, 'join_group')).toBeLessThan(first(steps, 'filesystem'));
    expect(end(steps, 'join_group')).toBeLessThan(first(steps, 'copy_in'));
    expect(end(steps, 'join_group')).toBeLessThan(first(steps, 'unshare'));
    expect(steps.find((step) => step.op === 'unshare')).toMatchObject({ flags: CLONE.cgroup });
  });

  it('no mount is made before the host is out of its reach', () => {
    expect(steps.find((step) => step.op === 'set_propagation')).toEqual({
      op: 'set_propagation',
      path: '/',
      propagation: PROPAGATION.slave,
    });
    const place = first(steps, 'set_propagation');
    expect(steps[place - 1]).toEqual({ op: 'unshare', flags: CLONE.mnt });
    expect(steps.slice(0, place).filter(({ op }) => mounting.includes(op))).toEqual([]);
  });

  it("the host's paths are opened before they are out of sight, and nothing of the caller's own after", () => {
    const hostPaths = places(steps, (step) => (step.op === 'open' || step.op === 'clone_mount') && step.at === -1);
    expect(Math.max(...hostPaths)).toBeLessThan(first(steps, 'attach'));
    expect(Math.max(...hostPaths)).toBeLessThan(first(steps, 'pivot'));
  });

  it('copies go into what is mounted, by a process that sees no other files, before the root is made read-only', () => {
    const readOnlyRoot = Math.max(...places(steps, (step) => step.op === 'set_mount' && step.set === MOUNT_ATTR.RDONLY));
    const attached = places(steps, (step) => step.op === 'attach' && step.path === '/data');
    for (const op of ['copy_in', 'write_file'] as const) expect(end(steps, op)).toBeLessThan(readOnlyRoot);
    expect(Math.max(...attached)).toBeLessThan(first(steps, 'copy_in'));
    expect(first(steps, 'pivot')).toBeLessThan(first(steps, 'copy_in'));
    expect(readOnlyRoot).toBeLessThan(first(steps, 'readonly'));
  });

  it('its user is looked up in its own files, with what is copied to them and before what is copied for him', () => {
    const copyIn = { '/in': 'text', '/etc/passwd': 'x', '/etc': { source: '/tree' }, '/etc/group': { content: 'x', uid: 5 } };
    const copies = last(plan({ copyIn, copyOut: ['/out'] }));
    const written = copies.flatMap((step) =>
      step.op === 'write_file' && !step.path.startsWith('etc/') ? [[step.path, step.uid, step.gid]] : [],
    );
    const user = 2n ** 64n - 1n;
    expect(written).toEqual([
      ['/etc/passwd', 0, 0],
      ['/etc/group', 5, 0],
      ['/in', user, user],
    ]);
    const order: Op[] = ['pivot', 'copy_in', 'user', 'save_user', 'chdir'];
    expect(ops(copies).filter((op) => order.includes(op))).toEqual([...order, 'user']);
    const lookUp = first(copies, 'user');
    expect(places(copies, (step) => step.op === 'write_file' && step.path === '/etc/group')[0]).toBeLessThan(lookUp);
    expect(places(copies, (step) => step.op === 'write_file' && step.path === '/in')[0]).toBeGreaterThan(lookUp);
  });

  it('the root is pivoted to before names, sysctls, read-only and masked paths, in that order', () => {
    const order: Op[] = ['pivot', 'sethostname', 'sysctl', 'readonly', 'mask'];
    expect(ops(steps).filter((op) => order.includes(op))).toEqual(order);
  });

  it('nothing is mounted over a mask', () => {
    const after = steps.slice(first(steps, 'mask') + 1);
    expect(after.filter(({ op }) => mounting.includes(op) || op === 'filesystem')).toEqual([]);
  });

  it('the null device that masks is opened in the /dev that was just made', () => {
    const mask = steps.find((step) => step.op === 'mask');
    const opened = steps.findIndex((step) => step.op === 'open_in_root' && step.out === (mask?.op === 'mask' ? mask.file : -2));
    expect(steps[opened]).toMatchObject({ path: 'null' });
    expect(opened).toBeLessThan(first(steps, 'pivot'));
    const inDev = places(steps.slice(0, opened), (step) => step.op === 'mknod' && step.path === 'null');
    expect(inDev).toHaveLength(1);
  });

  it('becomes the program as runc does', () => {
    const order: Op[] = [
      'chdir',
      'umask',
      'rlimit',
      'no_new_privileges',
      'bound_capabilities',
      'keep_capabilities',
      'user',
      'capabilities',
      'seccomp',
      'parent_death_signal',
      'exec',
    ];
    expect(ops(steps.slice(first(steps, 'mask'))).filter((op) => order.includes(op))).toEqual(order);
    expect(first(steps, 'mask')).toBeLessThan(end(steps, 'user'));
  });

  it('the parent-death signal comes after every change of ids, which clears it', () => {
    expect(end(steps, 'user')).toBeLessThan(first(steps, 'parent_death_signal'));
    expect(first(steps, 'capabilities')).toBeLessThan(first(steps, 'parent_death_signal'));
  });

  it('can’t be looked at after the change of ids, which may have undone that', () => {
    const after = steps.slice(end(steps, 'user'));
    expect(after.slice(0, 2)).toMatchObject([
      { op: 'user', apply: 1 },
      { op: 'dumpable', value: 0 },
    ]);
    expect(ops(after).filter((op) => ['user', 'add_groups', 'dumpable'].includes(op))).toEqual(['user', 'dumpable']);
  });

  it('execve is the last step of all', () => {
    expect(steps.at(-1)).toMatchObject({ op: 'exec', path: 'true' });
  });

  it('gives its user our pipes and nobody else’s descriptors', () => {
    const chowned = steps.flatMap((step) => (step.op === 'chown' ? [step.slot] : []));
    const streams = steps.flatMap((step) => (step.op === 'stdio' ? [step] : []));
    expect(streams.map(({ fd }) => fd)).toEqual([0, 1, 2]);
    expect(chowned).toEqual(streams.slice(1).map(({ slot }) => slot));
    expect(first(steps, 'user')).toBeLessThan(first(steps, 'chown'));
  });
});

describe('no_new_privs', () => {
  it('is set before the filter, which goes last', () => {
    const steps = last(plan());
    expect(first(steps, 'no_new_privileges')).toBeLessThan(first(steps, 'seccomp'));
    expect(first(steps, 'capabilities')).toBeLessThan(first(steps, 'seccomp'));
  });

  it('without it the filter comes before the capabilities go that it needs', () => {
    const steps = last(plan({ noNewPrivileges: false }));
    expect(ops(steps)).not.toContain('no_new_privileges');
    expect(first(steps, 'seccomp')).toBeLessThan(first(steps, 'bound_capabilities'));
    expect(first(steps, 'seccomp')).toBeLessThan(end(steps, 'user'));
    expect(steps.filter(({ op }) => op === 'seccomp')).toHaveLength(1);
  });
});

describe('init and park', () => {
  const tail = (options: object, facts: Facts): Op[] => ops(last(plan(options, facts)).slice(-3));

  it('stand just before execve, init first: the one that waits is the program', () => {
    expect(tail({ init: true }, { park: true })).toEqual(['init', 'park', 'exec']);
    expect(tail({ init: true }, {}).slice(-3)).toEqual(['refuse_descriptors', 'init', 'exec']);
    expect(tail({}, { park: true }).slice(-2)).toEqual(['park', 'exec']);
  });

  it('are not there unasked', () => {
    expect(ops(last(plan()))).not.toContain('init');
    expect(ops(last(plan()))).not.toContain('park');
  });

  it('the mount namespace, the user and the changes are kept where they will be looked into, and nowhere else', () => {
    for (const [planned, namespaces, others] of [
      [plan(), 0, 0],
      [plan({}, { park: true }), 1, 2],
      // of a container that may be started again, the root is kept too
      [plan({ restart: { on: 'always' } }, { park: true }), 1, 3],
      [plan({ copyOut: ['/out'] }), 1, 1],
    ] as const) {
      expect(ops(last(planned)).filter((op) => op === 'open_namespace')).toHaveLength(namespaces);
      expect(ops(last(planned)).filter((op) => op === 'give')).toHaveLength(
        ops(last(plan())).filter((op) => op === 'give').length + others,
      );
      expect(planned.returns).toHaveLength(namespaces * 2 + (others > 1 ? 1 : 0));
    }
  });
});

describe('namespaces', () => {
  const { pid, net, ipc, uts } = CLONE;

  it('all new but user and time are flags of one clone, but for those of groups and mounts, which come when these are known', () => {
    const planned = plan();
    expect(planned.stages.map(({ flags }) => flags)).toEqual([pid | net | ipc | uts]);
    const unshared = last(planned).flatMap((step) => (step.op === 'unshare' ? [step.flags] : []));
    expect(unshared).toEqual([CLONE.cgroup, CLONE.mnt]);
  });

  it('a joined pid namespace is entered last, by a process that has its streams alone and nothing of the host', () => {
    const planned = plan({ namespaces: { pid: { type: 'pid', fd: 33, inode: 1n } }, ulimits: { nproc: 5, nofile: 10 } });
    const [before, entered] = planned.stages;
    const [setUp, program] = [ops(before?.steps ?? []), ops(entered?.steps ?? [])];
    expect([planned.stages.length, before?.flags, entered?.flags]).toEqual([2, net | ipc | uts, 0]);
    expect([setUp[0], setUp.at(-1)]).toEqual(['dumpable', 'clone']);
    expect(setUp).toEqual(expect.arrayContaining(['pivot', 'readonly', 'mask', 'require_mount', 'stdio', 'capabilities', 'seccomp']));
    expect(program).toEqual(['dumpable', 'setsid', 'rlimit', 'parent_death_signal', 'exec']);
    // the one whose processes it shows is not where it is made
    expect(before?.steps.some((step) => step.op === 'proc' && step.pidns >= 0)).toBe(true);
    expect(before?.steps.at(-1)).toEqual({ op: 'clone', stage: 1, keep: [] });
  });

  it('clock offsets are written after unshare and before the next process', () => {
    const [before] = plan({ timeOffsets: { boottime: 1000 } }).stages;
    expect(ops(before?.steps ?? []).slice(-3)).toEqual(['unshare', 'write_process', 'clone']);
  });

  it("of the host's names and network nothing is set", () => {
    const steps = ops(last(plan({ namespaces: { uts: 'host' }, network: 'host' })));
    for (const op of ['sethostname', 'setdomainname', 'link_up', 'sysctl'] as const) expect(steps).not.toContain(op);
  });
});

describe('what is on the host', () => {
  it('is made by the shim before the first process, and undone', () => {
    const planned = plan({ upper: 'disk' }, { disk: '/store/containers/id' });
    for (const step of [...planned.prepare, ...planned.undo]) expect(step).toMatchObject({ host: true });
    expect(ops(planned.prepare)).toContain('mkdir');
    expect(planned.undo).toContainEqual(expect.objectContaining({ op: 'remove_tree', path: '/store/containers/id' }));
    const made = planned.prepare.flatMap((step) => (step.op === 'make_group' ? [step.path] : []));
    const removed = planned.undo.flatMap((step) => (step.op === 'remove_group' ? [step.path] : []));
    // first what was made, then where the group may come to be when limits are changed
    expect(removed.slice(0, made.length)).toEqual(made);
    expect(removed.slice(made.length).every((path) => path.endsWith('/nacelle/owner/id'))).toBe(true);
  });

  it('is nothing but groups with an upper in memory', () => {
    expect(new Set(ops(plan().undo))).toEqual(new Set(['release_real_time', 'remove_group']));
    expect(new Set(ops(plan({}, { machine: systemd }).undo))).toEqual(new Set(['remove_group']));
  });

  it('the process is born in its group of the unified tree, which is what is killed', () => {
    for (const machine of [hybrid, systemd]) {
      const planned = plan({}, { machine });
      expect(planned.stages[0]?.group).toBe(planned.killGroup?.at);
    }
  });
});

describe('the root', () => {
  it('of an image has no devices', () => {
    for (const step of last(plan())) if (step.op === 'overlay') expect(Number(step.attributes) & MOUNT_ATTR.NODEV).toBe(MOUNT_ATTR.NODEV);
  });

  it('mount points that the image could have as links are refused as such', () => {
    const attached = last(plan()).flatMap((step) =>
      step.op === 'attach' && ['/proc', '/sys', '/dev'].includes(step.path) ? [Number(step.create) & 4] : [],
    );
    expect(attached).toEqual([4, 4, 4]);
  });

  it('every descriptor of a folder of the host is closed before the program, or marked to be', () => {
    const steps = last(plan());
    const opened = steps.flatMap((step) => (step.op === 'open' ? [step.out ?? -1] : []));
    const closed = steps.flatMap((step) => (step.op === 'close' ? [step.slot] : []));
    expect(opened.filter((slot) => !closed.includes(slot))).toEqual([]);
  });

  it('a folder as root is bound with what is mounted in it', () => {
    const bound = last(plan({ image: undefined, rootfs: '/rootfs' }, { folder: '/rootfs' })).find((step) => step.op === 'clone_mount');
    expect(bound).toMatchObject({ path: '/rootfs', recursive: 1 });
  });
});

describe('the first part', () => {
  const stepsOf = (planned: PlanParts): readonly Step[] => planned.first?.stages[0]?.steps ?? [];

  it('is the same whatever the program, its files and its names are', () => {
    const other = {
      command: ['other'],
      env: { A: 'b' },
      hostname: 'other',
      mounts: [{ type: 'bind', source: '/data', target: '/data' }],
      copyIn: { '/in': 'text' },
      user: '1',
      readOnly: true,
      copyOut: ['/out'],
      timeout: 1000,
    };
    expect(parts(other, { park: true }).first).toEqual(parts().first);
    expect(stepsOf(parts()).at(-1)).toEqual({ op: 'rest' });
  });

  it('is another for another group, another size, and other paths to mask', () => {
    const { first: plain } = parts();
    for (const options of [{ namespaces: { net: 'host' } }, { namespaces: { ipc: 'host' } }, { maskedPaths: [] }]) {
      expect(parts(options).first).not.toEqual(plain);
    }
  });

  it("looks at no path of the host's, and leaves its mounts alone", () => {
    const looked: readonly Op[] = [...mounting, 'open', 'set_propagation', 'pivot'];
    expect(stepsOf(parts()).filter(({ op }) => looked.includes(op))).toEqual([]);
    expect(parts().first?.stages[0]?.flags).not.toBe(0);
  });

  it('and the rest are the whole plan, with the wait between them when it was started first', () => {
    const planned = parts();
    const [whole, waiting] = [joinParts(planned, { waits: false }), joinParts(planned, { waits: true })];
    expect(ops(last(waiting)).filter((op) => op !== 'rest')).toEqual(ops(last(whole)));
    expect(last(waiting).length).toBe(last(whole).length + 1);
    expect(whole).toMatchObject({ undo: planned.rest.undo, reports: planned.rest.reports });
  });

  it('is not there when it would need a descriptor or a process before it', () => {
    expect(parts({ namespaces: { net: { type: 'net', fd: 33, inode: 1n } } }).first).toBeNull();
    expect(parts({ namespaces: { pid: { type: 'pid', fd: 33, inode: 1n } } }).first).toBeNull();
    expect(parts({ timeOffsets: { boottime: 1000 } }).first).toBeNull();
  });
});

describe('the links of a container', () => {
  const cidr = { family: 4, text: '10.1.0.7/24', bytes: Uint8Array.of(10, 1, 0, 7), prefix: 24 } as const;
  const attachment = {
    network: 'shop',
    interface: 'eth0',
    index: 100,
    mac: Uint8Array.of(2, 0x6e, 10, 1, 0, 7),
    mtu: 1500,
    addresses: [cidr],
    announces: false,
    gateways: [],
    names: [],
    port: { name: 'nclv0a010007', index: 2 ** 30 + 1 },
    bridge: 2 ** 30,
  };
  const facts: Facts = { attachments: [attachment] };
  const lease = leaseOf('shop');
  const isLink = (step: Step): boolean => step.op === 'netlink';
  /** Where the process waits for the shim: at the first of host steps that follow each other directly. */
  const waits = (steps: readonly Step[]): number[] =>
    places(steps, (step) => 'host' in step && step.host === true).filter((at) => {
      const before = steps[at - 1];
      return before === undefined || !('host' in before && before.host === true);
    });

  it('are made by the shim while the process mounts, which waits for them before its program', () => {
    const steps = last(plan({}, facts));
    const goesOn = first(steps, 'go_on');
    const links = places(steps, isLink);
    expect(end(steps, 'sysctl')).toBe(goesOn - 1);
    expect(steps[goesOn + 1]).toEqual(lease);
    expect(Math.min(...links)).toBeGreaterThan(goesOn);
    expect(Math.max(...links)).toBeLessThan(first(steps, 'set_propagation'));
    expect(waits(steps).some((at) => at > first(steps, 'mask') && at < first(steps, 'exec'))).toBe(true);
  });

  it('find the settings for links made before, by a process that may be made ahead', () => {
    const settings = (of: Plan | null): string[] =>
      (of?.stages ?? []).flatMap(({ steps }) => steps.flatMap((step) => (step.op === 'sysctl' ? [step.path] : [])));
    const { first: ahead, rest } = parts({}, facts);
    expect(settings(ahead)).toEqual(['accept_ra', 'autoconf', 'accept_dad'].map((name) => `net/ipv6/conf/default/${name}`));
    expect(settings(rest)).toEqual([]);
    expect(settings(parts().first)).toEqual([]);
  });

  it('are there before the settings of the caller, which may be theirs', () => {
    const name = 'net.ipv4.conf.eth0.rp_filter';
    const steps = last(plan({ sysctls: { [name]: '2' } }, facts));
    const set = Math.max(...places(steps, (step) => step.op === 'sysctl' && step.path.endsWith('rp_filter')));
    expect(waits(steps).some((at) => at > first(steps, 'pivot') && at < set)).toBe(true);
  });

  it.each<[string, object, Facts]>([
    [
      'in a user namespace',
      {},
      { userns: { kind: 'identity', uid: [{ inside: 0, outside: 0, count: 1 }], gid: [{ inside: 0, outside: 0, count: 1 }] } },
    ],
    ['where /proc is the one of this machine', { namespaces: { pid: 'host' } }, {}],
  ])('are waited for at once %s', (_, options, more) => {
    const { prepare, stages } = plan(options, { ...facts, ...more });
    expect(prepare).toContainEqual(lease);
    const all = stages.flatMap(({ steps }) => steps);
    expect(all.some(isLink)).toBe(true);
    expect(ops(all)).not.toContain('go_on');
  });
});
