import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const needs = { root: true, tools: ['busybox', 'runc', 'chrt', 'ionice', 'taskset'], capability: { name: 'CAP_SYS_NICE', bit: 23 } };
const { describe, it } = requires(needs);
const onTwoProcessors = requires({ ...needs, processors: 2 });
const folder = temporaryFolder();
const { oci, runc, states } = useRuntimes(folder);
const sleeping = ['busybox', 'sleep', '1000'];

async function done(...args: string[]): Promise<string> {
  const call = await oci(...args);
  expect(call, args.join(' ')).toMatchObject({ code: 0, stderr: '' });
  return call.stdout;
}

const pidOf = async (id: string): Promise<number> => JSON.parse(await done('state', id)).pid;
const policyOf = (pid: number): string => execFileSync('chrt', ['-p', String(pid)], { encoding: 'utf8' });

/** A user namespace whose root is that of the host: the bundle's files are root's. */
const users = {
  uidMappings: [{ containerID: 0, hostID: 0, size: 65_536 }],
  gidMappings: [{ containerID: 0, hostID: 0, size: 65_536 }],
};

describe('process.scheduler', () => {
  it.each([
    [{ policy: 'SCHED_BATCH', nice: 3, priority: 0 }, /SCHED_BATCH/, '3'],
    [{ policy: 'SCHED_IDLE' }, /SCHED_IDLE/, null],
    [{ policy: 'SCHED_OTHER', nice: -5 }, /SCHED_OTHER/, '-5'],
    [
      { policy: 'SCHED_DEADLINE', nice: 19, runtime: 1_000_000, deadline: 10_000_000, period: 20_000_000 },
      /SCHED_DEADLINE.*1000000\/10000000\/20000000/s,
      null,
    ],
  ])('%j is what chrt sees', async (scheduler, policy, nice) => {
    await done(
      'run',
      '--detach',
      '--bundle',
      makeBundle(folder, sleeping, ({ process }) => Object.assign(process, { scheduler })),
      'one',
    );
    const pid = await pidOf('one');
    expect(policyOf(pid)).toMatch(policy);
    if (nice !== null) expect(readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[18]).toBe(nice);
    await done('delete', '--force', 'one');
  });

  it('is that of `exec` too, and one in a user namespace', async () => {
    const bundle = makeBundle(folder, sleeping, (config) => {
      config.linux.namespaces.push({ type: 'user' });
      Object.assign(config.linux, users);
      Object.assign(config.process, { scheduler: { policy: 'SCHED_OTHER', nice: -7 } });
    });
    await done('run', '--detach', '--bundle', bundle, 'one');
    expect(readFileSync(`/proc/${await pidOf('one')}/stat`, 'utf8').split(' ')[18]).toBe('-7');
    expect(await done('exec', 'one', 'sh', '-c', 'busybox cut -d" " -f19 /proc/self/stat')).toBe('-7\n');
    await done('delete', '--force', 'one');
  });

  it.each([
    [{ policy: 'SCHED_FIFO' }, 'process.scheduler.priority'],
    [{ policy: 'SCHED_BATCH', priority: 3 }, 'process.scheduler.priority'],
    [{ policy: 'SCHED_ISO' }, 'process.scheduler.policy'],
    [{ policy: 'SCHED_OTHER', nice: 20 }, 'process.scheduler.nice'],
    [{ policy: 'SCHED_OTHER', flags: ['SCHED_FLAG_NONE'] }, 'process.scheduler.flags'],
    [{ policy: 'SCHED_OTHER', flags: ['SCHED_FLAG_RESET_ON_FORK'] }, 'process.scheduler.flags', true],
    [{ policy: 'SCHED_DEADLINE', runtime: 1_000_000, period: 20_000_000 }, 'process.scheduler.policy', true],
  ])('%j is refused by its field', async (scheduler, field, hasUsers = false) => {
    const bundle = makeBundle(folder, sleeping, (config) => {
      if (hasUsers) {
        config.linux.namespaces.push({ type: 'user' });
        Object.assign(config.linux, users);
      }
      Object.assign(config.process, { scheduler });
    });
    expect(await oci('create', '--bundle', bundle, 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining(field) });
  });
});

describe('the processors', () => {
  onTwoProcessors.it('are those of the groups, and not those that the caller is bound to, also for `exec`', async () => {
    const allowed = (pid: number | 'self'): string =>
      /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
    const [first = ''] = allowed('self').split(/[-,]/);
    const bound = ['taskset', '--cpu-list', first, process.execPath, programFile('nacelle-oci'), '--root', states];
    const call = (stdout: 'pipe' | 'ignore', ...args: string[]): string => {
      const [program = '', ...words] = [...bound, ...args];
      return execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', stdout, 'ignore'] });
    };
    await done('run', '--detach', '--bundle', makeBundle(folder, sleeping), 'free');
    call('ignore', 'run', '--detach', '--bundle', makeBundle(folder, sleeping), 'bound');
    expect(allowed(await pidOf('bound'))).toBe(allowed(await pidOf('free')));
    expect(allowed(await pidOf('bound'))).not.toBe(first);
    expect(call('pipe', 'exec', 'bound', 'busybox', 'grep', 'Cpus_allowed_list', '/proc/self/status')).toMatch(
      new RegExp(`:\\s${allowed(await pidOf('free'))}\n$`),
    );
    for (const id of ['bound', 'free']) await done('delete', '--force', id);
  });
});

describe('--cap of `exec`', () => {
  it.each([
    ['some are inherited', ['CAP_CHOWN', 'CAP_SYSLOG'], '0000000400000001'],
    ['none is', [], '0000000000000000'],
  ])('is ambient where %s', async (_, inheritable, ambient) => {
    const ofBoth = await Promise.all(
      [oci, runc].map(async (runtime, index) => {
        const bundle = makeBundle(folder, sleeping, ({ process }) => {
          const [bounding, permitted] = [
            ['CAP_KILL', 'CAP_CHOWN', 'CAP_SYSLOG'],
            ['CAP_KILL', 'CAP_CHOWN'],
          ];
          Object.assign(process, { capabilities: { bounding, permitted, effective: ['CAP_KILL'], inheritable, ambient: ['CAP_CHOWN'] } });
        });
        await runtime('run', '--detach', '--bundle', bundle, `one-${index}`);
        const { stdout } = await runtime('exec', '--cap', 'CAP_SYSLOG', `one-${index}`, 'busybox', 'cat', '/proc/self/status');
        await runtime('delete', '--force', `one-${index}`);
        return /^CapAmb:\s*(.*)$/m.exec(stdout)?.[1];
      }),
    );
    expect(ofBoth[0]).toBe(ambient);
    // the oracle, where its version does so: since runc 1.1.6
    if (ofBoth[1] !== '0000000000000001') expect(ofBoth[1]).toBe(ambient);
  });
});

describe('process.ioPriority', () => {
  it.each([
    [{ class: 'IOPRIO_CLASS_BE', priority: 6 }, 'best-effort: prio 6', false],
    [{ class: 'IOPRIO_CLASS_IDLE' }, 'idle', false],
    [{ class: 'IOPRIO_CLASS_RT', priority: 1 }, 'realtime: prio 1', true],
  ])('%j is what ionice sees: %s; with a user namespace: %s', async (ioPriority, text, hasUsers) => {
    const bundle = makeBundle(folder, sleeping, (config) => {
      if (hasUsers) {
        config.linux.namespaces.push({ type: 'user' });
        Object.assign(config.linux, users);
      }
      Object.assign(config.process, { ioPriority });
    });
    await done('run', '--detach', '--bundle', bundle, 'one');
    expect(execFileSync('ionice', ['-p', String(await pidOf('one'))], { encoding: 'utf8' })).toBe(`${text}\n`);
    expect(await done('exec', 'one', 'busybox', 'ionice')).toBe(`${text}\n`);
    await done('delete', '--force', 'one');
  });
});

describe('linux.personality', () => {
  it.each([
    ['LINUX32', '00000008'],
    ['LINUX', '00000000'],
  ])('%s is what the kernel says, whatever the filter refuses, also for `exec`', async (domain, text) => {
    const bundle = makeBundle(folder, sleeping, (config) => {
      const seccomp = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['personality'], action: 'SCMP_ACT_ERRNO' }] };
      Object.assign(config.linux, { personality: { domain }, seccomp });
    });
    await done('run', '--detach', '--bundle', bundle, 'one');
    expect(readFileSync(`/proc/${await pidOf('one')}/personality`, 'utf8').trim()).toBe(text);
    expect(await done('exec', 'one', 'busybox', 'cat', '/proc/self/personality')).toBe(`${text}\n`);
    await done('delete', '--force', 'one');
  });
});

describe('a time namespace', () => {
  it.each([false, true])('has the offsets of config.json, also for `exec`; with a user namespace: %s', async (hasUsers) => {
    const bundle = makeBundle(folder, sleeping, (config) => {
      config.linux.namespaces.push({ type: 'time' }, ...(hasUsers ? [{ type: 'user' }] : []));
      Object.assign(config.linux, hasUsers ? users : {}, {
        timeOffsets: { monotonic: { secs: 1000, nanosecs: 5 }, boottime: { secs: 1_000_000_000 } },
      });
    });
    await done('run', '--detach', '--bundle', bundle, 'one');
    const pid = await pidOf('one');
    const own = readlinkSync(`/proc/${pid}/ns/time`);
    expect(own).not.toBe(readlinkSync('/proc/self/ns/time'));
    expect(readFileSync(`/proc/${pid}/timens_offsets`, 'utf8').trim().split(/\s+/)).toEqual([
      ...['monotonic', '1000', '5'],
      ...['boottime', '1000000000', '0'],
    ]);
    const [namespace, uptime] = (
      await done('exec', 'one', 'sh', '-c', 'busybox readlink /proc/self/ns/time; busybox cat /proc/uptime')
    ).split('\n');
    expect([namespace, Number.parseFloat(uptime ?? '') > 1_000_000_000]).toEqual([own, true]);
    await done('delete', '--force', 'one');
  });

  it('is joined by its path', async () => {
    const first = makeBundle(folder, sleeping, (config) => {
      config.linux.namespaces.push({ type: 'time' });
      config.linux.timeOffsets = { boottime: { secs: 1_000_000_000 } };
    });
    await done('run', '--detach', '--bundle', first, 'one');
    const path = `/proc/${await pidOf('one')}/ns/time`;
    const second = makeBundle(folder, ['busybox', 'cat', '/proc/uptime'], (config) => config.linux.namespaces.push({ type: 'time', path }));
    expect(Number.parseFloat(await done('run', '--bundle', second, 'two'))).toBeGreaterThan(1_000_000_000);
    await done('delete', '--force', 'one');
  });

  it('is what offsets need', async () => {
    const bundle = makeBundle(folder, sleeping, (config) => Object.assign(config.linux, { timeOffsets: { monotonic: { secs: 1 } } }));
    expect(await oci('create', '--bundle', bundle, 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining('linux.timeOffsets') });
  });
});
