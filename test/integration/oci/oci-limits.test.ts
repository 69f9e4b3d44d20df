import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { bfqDisk } from '../../fixtures/bfq-disk.js';
import { readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { BUNDLE_GROUP, bundleGroups, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc'] });
const folder = temporaryFolder();
const { oci, runc, states } = useRuntimes(folder);

type Runtime = typeof oci;

/** A container of each runtime; what the function gives for each. */
async function ofBoth<T>(use: (runtime: Runtime, id: string) => Promise<T>): Promise<[ours: T, theirs: T]> {
  const of = async (runtime: Runtime, id: string): Promise<T> => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    expect(await runtime('run', '--detach', '--bundle', bundle, id)).toMatchObject({ code: 0 });
    return use(runtime, id);
  };
  return [await of(oci, 'ours'), await of(runc, 'theirs')];
}

/** The limits of a container, from the files of its groups: by the kernel's names, of both versions. */
async function limitsOf(runtime: Runtime, id: string): Promise<Record<string, string>> {
  const { pid } = JSON.parse((await runtime('state', id)).stdout);
  const mounts = new Map(
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .flatMap((line): [string, string][] => {
        const [before = '', after = ''] = line.split(' - ');
        const [type = '', , options = ''] = after.split(' ');
        const at = before.split(' ')[4] ?? '';
        return type === 'cgroup2' ? [['', at]] : type === 'cgroup' ? options.split(',').map((name) => [name, at]) : [];
      }),
  );
  const found: Record<string, string> = {};
  for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n')) {
    const [, names = '', ...path] = line.split(':');
    for (const name of names.split(','))
      for (const file of FILES) {
        const mount = mounts.get(name);
        if (mount === undefined || (name !== '' && !file.startsWith(`${name}.`))) continue;
        try {
          found[file] = readFileSync(join(mount, path.join(':'), file), 'utf8').trim();
        } catch {
          // the other version has it
        }
      }
  }
  return found;
}

const FILES = [
  'memory.oom_control',
  ...['memory.limit_in_bytes', 'memory.soft_limit_in_bytes', 'memory.memsw.limit_in_bytes', 'memory.max', 'memory.low', 'memory.swap.max'],
  ...['blkio.bfq.weight_device', 'io.bfq.weight'],
  ...['cpu.shares', 'cpu.cfs_quota_us', 'cpu.cfs_period_us', 'cpu.max', 'cpuset.cpus', 'cpuset.mems', 'pids.max'],
];

/** Calls `update --resources -` of ours. */
async function fromStandardInput(id: string, text: string): Promise<number | null> {
  const child = spawn(process.execPath, [programFile('nacelle-oci'), '--root', states, 'update', '--resources', '-', id], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.stdin?.end(text);
  const [code]: (number | null)[] = await once(child, 'exit');
  return code ?? null;
}

describe('huge pages', () => {
  const [size = null] = existsSync('/sys/kernel/mm/hugepages') ? readdirSync('/sys/kernel/mm/hugepages') : [];

  it('are limited in a group below folders of its own, also on the unified tree beside v1', async ({ skip }) => {
    if (size === null) return skip('this kernel has no huge pages');
    const kilobytes = Number(size.replace(/\D/g, ''));
    const pageSize = kilobytes >= 1024 ** 2 ? `${kilobytes / 1024 ** 2}GB` : `${kilobytes / 1024}MB`;
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], ({ linux }) => {
      linux.cgroupsPath = `/${BUNDLE_GROUP}/above/below`;
      linux.resources = { hugepageLimits: [{ pageSize, limit: kilobytes * 1024 }] };
    });
    expect(await oci('run', '--detach', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
    const limits = bundleGroups().flatMap((group) =>
      ['max', 'limit_in_bytes'].flatMap((suffix) => readText(join(group, 'above/below', `hugetlb.${pageSize}.${suffix}`)) ?? []),
    );
    expect(limits.map((text) => text.trim())).toEqual([String(kilobytes * 1024)]);
    expect(await oci('delete', '--force', 'one')).toMatchObject({ code: 0 });
    for (const group of bundleGroups()) if (existsSync(join(group, 'above'))) rmdirSync(join(group, 'above'));
  });
});

describe('update', () => {
  it.each([
    [
      'flags',
      [
        '--memory',
        '64M',
        '--memory-reservation',
        '32m',
        '--pids-limit',
        '20',
        '--cpu-share',
        '512',
        '--cpuset-cpus',
        '0',
        '--cpuset-mems',
        '0',
      ],
    ],
    ['a quota and a period', ['--cpu-quota', '30000', '--cpu-period', '60000']],
    ['a period alone', ['--cpu-period', '50000']],
    ['a quota alone', ['--cpu-quota', '20000']],
  ])('changes what runc changes, by %s', async (_, flags) => {
    const [ours, theirs] = await ofBoth(async (runtime, id) => {
      const before = await limitsOf(runtime, id);
      expect(await runtime('update', ...flags, id)).toMatchObject({ code: 0 });
      const after = await limitsOf(runtime, id);
      expect(after).not.toEqual(before);
      return after;
    });
    expect(ours).toEqual(theirs);
  });

  it('takes limits away again, and reads them from a file and from standard input', async () => {
    const file = join(folder, 'resources.json');
    writeFileSync(file, JSON.stringify({ memory: { limit: 50 * 1024 ** 2 }, cpu: { quota: 20_000, period: 40_000 }, pids: { limit: 9 } }));
    const [ours, theirs] = await ofBoth(async (runtime, id) => {
      const fresh = await limitsOf(runtime, id);
      expect(await runtime('update', '--resources', file, id)).toMatchObject({ code: 0 });
      const limited = await limitsOf(runtime, id);
      expect(await runtime('update', '--memory', '-1', '--cpu-quota', '-1', '--pids-limit', '-1', id)).toMatchObject({ code: 0 });
      return [fresh, limited, await limitsOf(runtime, id)];
    });
    expect(ours).toEqual(theirs);
    expect(ours[1]).not.toEqual(ours[0]);
    expect(await fromStandardInput('ours', '{"pids":{"limit":7}}')).toBe(0);
    expect(await limitsOf(oci, 'ours')).toMatchObject({ 'pids.max': '7' });
    expect(await fromStandardInput('ours', '{"pids":{"limit":"many"}}')).toBe(1);
  });

  it('puts back what it had written when a value is refused, and needs a container that lives', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    await oci('run', '--detach', '--bundle', bundle, 'one');
    const before = await limitsOf(oci, 'one');
    // the kernel takes no period below a millisecond; the memory before it was taken
    const refused = await oci('update', '--memory', '64M', '--cpu-period', '10', 'one');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/EINVAL/) });
    expect(await limitsOf(oci, 'one')).toEqual(before);
    expect(await oci('update', '--cpuset-cpus', '4095', 'one')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("4095 can't be used"),
    });
    await oci('kill', 'one', 'KILL');
    await oci('delete', '--force', 'one');
    expect(await oci('update', '--memory', '64M', 'one')).toMatchObject({ code: 1, stderr: 'container does not exist\n' });
  });
});

describe('events --stats', () => {
  it('has the keys of runc’s, and the kernel’s numbers', async () => {
    const [ours, theirs] = await ofBoth(async (runtime, id) => {
      await runtime('update', '--pids-limit', '20', id);
      const { code, stdout } = await runtime('events', '--stats', id);
      expect(code).toBe(0);
      return JSON.parse(stdout);
    });
    expect(ours).toMatchObject({ type: 'stats', id: 'ours' });
    expect(ours.data.pids).toEqual({ current: 1, limit: 20 });
    expect(ours.data.memory.usage.limit).toBe(theirs.data.memory.usage.limit);
    expect(ours.data.memory.usage.usage).toBeGreaterThan(4096);
    expect(ours.data.cpu.usage.total).toBeGreaterThan(0);
    for (const part of ['cpu', 'cpuset', 'memory', 'pids'] as const)
      expect(
        Object.keys(theirs.data[part]).filter((key) => !(key in ours.data[part])),
        part,
      ).toEqual([]);
    expect(Object.keys(ours.data).sort()).toEqual(Object.keys(theirs.data).sort());
  });

  it('is refused for a container that is not there', async () => {
    expect(await oci('events', '--stats', 'one')).toMatchObject({ code: 1, stderr: 'container does not exist\n' });
  });
});

describe('events', () => {
  const EATS = 'busybox tail -c 100m /dev/zero';
  const events = {
    ours: [process.execPath, programFile('nacelle-oci'), '--root', states],
    theirs: ['runc', '--root', join(folder, 'runc')],
  };

  it.each(['ours', 'theirs'] as const)('tell what is used and when memory ran out, until the groups are gone: of %s', async (which) => {
    const runtime = which === 'ours' ? oci : runc;
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], ({ linux }) => {
      linux.resources = { memory: { limit: 16 * 1024 ** 2, swap: 16 * 1024 ** 2 } };
    });
    expect(await runtime('run', '--detach', '--bundle', bundle, which)).toMatchObject({ code: 0, stderr: '' });
    const [file = '', ...args] = events[which];
    const child = spawn(file, [...args, 'events', '--interval', '50ms', which], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'close');
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    // the watch is there before the first look
    await until('it tells what is used', () => text.includes('"stats"'));
    expect((await runtime('exec', which, 'sh', '-c', EATS)).code).not.toBe(0);
    await until('it tells of the memory', () => text.includes('"oom"'));
    expect((await runtime('delete', '--force', which)).code).toBe(0);
    expect(await ended).toEqual([0, null]);
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.find(({ type }) => type === 'stats')).toMatchObject({ id: which, data: { memory: { usage: { limit: 16 * 1024 ** 2 } } } });
    expect(lines.find(({ type }) => type === 'oom')).toEqual({ type: 'oom', id: which });
  });

  it.each(['0s', '-1s', 'x', '5', ''])('are refused for an interval of %j', async (interval) => {
    expect(await oci('events', `--interval=${interval}`, 'one')).toMatchObject({
      code: 1,
      stderr: 'duration interval must be greater than 0\n',
    });
  });

  it('are none of a container that is not there', async () => {
    expect(await oci('events', 'one')).toMatchObject({ code: 1, stderr: 'container does not exist\n' });
  });
});

const underBfq = requires({ root: true, tools: ['busybox', 'runc'], bfq: true });

underBfq.it('blockIO.weightDevice is the weight of a disk under BFQ', async () => {
  const [major, minor] = bfqDisk() ?? expect.fail('such a disk was there');
  const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], ({ linux }) => {
    linux.resources = { blockIO: { weight: 333, weightDevice: [{ major, minor, weight: 444 }] } };
  });
  expect(await oci('run', '--detach', '--bundle', bundle, 'weighed')).toMatchObject({ code: 0, stderr: '' });
  const limits = await limitsOf(oci, 'weighed');
  const weights = ({ 'blkio.bfq.weight_device': v1, 'io.bfq.weight': v2 }: Record<string, string>) => (v1 ?? v2)?.split('\n').sort();
  expect(weights(limits)).toEqual([`${major}:${minor} 444`, 'default 333']);
  const changed = JSON.stringify({ blockIO: { weight: 111, weightDevice: [{ major, minor, weight: 222 }] } });
  expect(await fromStandardInput('weighed', changed)).toBe(0);
  expect(weights(await limitsOf(oci, 'weighed'))).toEqual([`${major}:${minor} 222`, 'default 111']);
});

describe('a group that is there and frozen', () => {
  it('is refused in the words of runc, and nothing is made', async () => {
    const freezer = ['/sys/fs/cgroup/freezer', '/sys/fs/cgroup'].find((path) => existsSync(path)) ?? '';
    const group = join(freezer, `nacelle-frozen-${process.pid}`);
    const v1 = freezer.endsWith('freezer');
    mkdirSync(group);
    try {
      writeFileSync(join(group, v1 ? 'freezer.state' : 'cgroup.freeze'), v1 ? 'FROZEN' : '1');
      const bundle = makeBundle(folder, ['busybox', 'true'], ({ linux }) => {
        linux.cgroupsPath = `/nacelle-frozen-${process.pid}`;
      });
      expect(await oci('run', '--bundle', bundle, 'cold')).toMatchObject({
        code: 1,
        stderr: `container's cgroup unexpectedly frozen: ${group}\n`,
      });
      expect(await oci('state', 'cold')).toMatchObject({ code: 1, stderr: 'container does not exist\n' });
    } finally {
      writeFileSync(join(group, v1 ? 'freezer.state' : 'cgroup.freeze'), v1 ? 'THAWED' : '0');
      rmdirSync(group);
    }
  });
});

describe('memory.disableOOMKiller', () => {
  it('is what runc writes', async () => {
    const [ours, theirs] = await Promise.all(
      [oci, runc].map(async (runtime, index) => {
        const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], ({ linux }) => {
          linux.resources = { memory: { limit: 64 * 1024 ** 2, disableOOMKiller: true } };
        });
        expect(await runtime('run', '--detach', '--bundle', bundle, `patient-${index}`)).toMatchObject({ code: 0 });
        return limitsOf(runtime, `patient-${index}`);
      }),
    );
    const file = 'memory.oom_control';
    expect(ours?.[file]).toBe(theirs?.[file]);
    if (existsSync('/sys/fs/cgroup/memory')) expect(ours?.[file]).toMatch(/^oom_kill_disable 1$/m);
    else expect(Object.keys(ours ?? {}).filter((name) => ['memory.max', file].includes(name))).toEqual(['memory.max']);
  });
});

describe('run --keep', () => {
  it('leaves the groups with what they counted until delete, as with runc, and none where the container can not be made', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true'], ({ linux }) => {
      linux.resources = { pids: { limit: 17 } };
    });
    const name = bundle.split('-').at(-1) ?? '';
    const left = (): string[] => bundleGroups().filter((group) => existsSync(join(group, name)));
    for (const runtime of [oci, runc]) {
      expect(await runtime('run', '--keep', '--bundle', bundle, 'one')).toMatchObject({ code: 0 });
      const limits = left().flatMap((group) => {
        const file = join(group, name, 'pids.max');
        return existsSync(file) ? [readFileSync(file, 'utf8').trim()] : [];
      });
      expect(limits).toEqual(['17']);
      await runtime('delete', 'one');
      expect(left()).toEqual([]);
    }
    const broken = makeBundle(folder, ['no-such-program']);
    expect(await oci('run', '--keep', '--bundle', broken, 'one')).toMatchObject({ code: 1 });
    expect(bundleGroups().filter((group) => existsSync(join(group, broken.split('-').at(-1) ?? '')))).toEqual([]);
  });

  it('removes no group that is there before its plan is sent', async () => {
    const bundle = makeBundle(folder, ['true'], (config) => {
      config.linux.sysctl = { 'kernel.shmmni': '4096' };
      config.mounts = [];
    });
    const [group] = bundleGroups();
    if (group === undefined) throw new Error('no group can be made');
    const others = join(group, bundle.split('-').at(-1) ?? '');
    const made = mkdirSync(others, { recursive: true });
    try {
      expect(await oci('run', '--keep', '--bundle', bundle, 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining('/proc') });
      expect(existsSync(others)).toBe(true);
    } finally {
      rmdirSync(others);
      if (made === group) rmdirSync(group);
    }
  });
});
