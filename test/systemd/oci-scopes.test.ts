import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { foregroundRun } from '../fixtures/foreground-run.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { type BundleChange, makeBundle, useRuntimes } from '../fixtures/runtime-bundle.js';
import { until } from '../fixtures/until.js';

// As root, where systemd is process 1 and has the groups, all on cgroup v2: `npm run test:vm -- --manager`.
useLeakCheck();
const { it } = requires({ root: true, tools: ['busybox', 'systemctl', 'runc'], cgroup: 'v2' });

const folder = mkdtempSync(join(tmpdir(), 'nacelle-test-'));
const runtimes = useRuntimes(folder);
const { oci, runc, states } = runtimes;
afterEach(() => {
  execFileSync('systemctl', ['stop', 'nacelletest.slice', 'nacelletest-a.slice']);
});

const SLICE = 'nacelletest-a.slice';
const GROUP = `/nacelletest.slice/${SLICE}`;

const inScope =
  (name: string, resources: object = {}): BundleChange =>
  (config) => {
    config.linux.cgroupsPath = `${SLICE}:test:${name}`;
    Object.assign(config.linux, { resources: { ...(config.linux.resources as object), ...resources } });
  };

/** The properties of a unit, by `systemctl show`. */
function shown(unit: string, ...names: readonly string[]): Record<string, string> {
  const text = execFileSync('systemctl', ['show', unit, ...names.map((name) => `--property=${name}`)], { encoding: 'utf8' });
  return Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

const scopes = (): string[] =>
  execFileSync('systemctl', ['list-units', '--all', '--plain', '--no-legend', 'test-*.scope'], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => line.split(' ')[0] || []);

const limitFiles = ['memory.max', 'memory.low', 'memory.swap.max', 'pids.max', 'cpu.weight', 'cpu.max', 'cpuset.cpus'];
const filesOf = (unit: string): Record<string, string> =>
  Object.fromEntries(limitFiles.map((file) => [file, readFileSync(`/sys/fs/cgroup${GROUP}/${unit}/${file}`, 'utf8').trim()]));

// runc before 1.4 has another scale for shares, which is the same at its end
const RESOURCES = {
  memory: { limit: 64 << 20, reservation: 32 << 20, swap: 96 << 20 },
  cpu: { shares: 262_144, quota: 12_345, period: 100_000, cpus: '0' },
  pids: { limit: 20 },
};
const KNOWN = [
  ...['Slice', 'ControlGroup', 'Delegate', 'DefaultDependencies', 'ActiveState', 'TasksMax', 'MemoryMax', 'MemoryLow'],
  ...['MemorySwapMax', 'CPUWeight', 'CPUQuotaPerSecUSec', 'CPUQuotaPeriodUSec', 'AllowedCPUs'],
];

it('a container has the scope, limits and properties that one of runc has, and both go with it', async () => {
  const bundles = ['ours', 'theirs'].map((name) => makeBundle(folder, ['busybox', 'sleep', '600'], inScope(name, RESOURCES)));
  const [ours = '', theirs = ''] = bundles;
  expect(await oci('--systemd-cgroup', 'run', '--detach', '--bundle', ours, 'ours')).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await runc('--systemd-cgroup', 'run', '--detach', '--bundle', theirs, 'theirs')).toMatchObject({ code: 0 });
  const renamed = (values: Record<string, string>): object => JSON.parse(JSON.stringify(values).replaceAll('theirs', 'ours'));
  expect(shown('test-ours.scope', ...KNOWN)).toEqual(renamed(shown('test-theirs.scope', ...KNOWN)));
  expect(shown('test-ours.scope', 'ControlGroup', 'TasksMax')).toEqual({ ControlGroup: `${GROUP}/test-ours.scope`, TasksMax: '20' });
  const before = filesOf('test-ours.scope');
  expect(before).toEqual(filesOf('test-theirs.scope'));
  expect(before).toMatchObject({ 'memory.max': String(64 << 20), 'cpu.max': '12345 100000', 'pids.max': '20' });

  // systemd writes what it knows once more
  execFileSync('systemctl', ['daemon-reload']);
  expect(filesOf('test-ours.scope')).toMatchObject({ 'memory.max': String(64 << 20), 'pids.max': '20', 'cpuset.cpus': '0' });

  const update = ['update', '--memory', String(128 << 20), '--memory-swap', '-1', '--pids-limit', '30', '--cpu-quota', '54321'];
  expect(await oci('--systemd-cgroup', ...update, 'ours')).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(filesOf('test-ours.scope')).toMatchObject({ 'memory.max': String(128 << 20), 'pids.max': '30', 'cpu.max': '54321 100000' });
  execFileSync('systemctl', ['daemon-reload']);
  expect(filesOf('test-ours.scope')).toMatchObject({ 'memory.max': String(128 << 20), 'memory.swap.max': 'max', 'pids.max': '30' });

  // whatever the engine calls, it calls with this flag
  for (const [command, status] of [
    ['pause', 'paused'],
    ['resume', 'running'],
  ] as const) {
    expect(await oci('--systemd-cgroup', command, 'ours')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(JSON.parse((await oci('--systemd-cgroup', 'state', 'ours')).stdout)).toMatchObject({ status });
  }
  expect((await oci('exec', 'ours', 'cat', '/proc/self/cgroup')).stdout).toMatch(/^0::\/(?:.*test-ours\.scope)?\n$/);
  expect(await oci('--systemd-cgroup', 'delete', '--force', 'ours')).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(scopes()).toEqual(['test-theirs.scope']);
  expect(existsSync(`/sys/fs/cgroup${GROUP}/test-ours.scope`)).toBe(false);
  await runc('delete', '--force', 'theirs');
});

it('a container that ends takes its scope along, and its name is free after delete', async () => {
  const bundle = makeBundle(folder, ['busybox', 'true'], inScope('short'));
  for (let round = 0; round < 3; ++round) {
    expect(await oci('--systemd-cgroup', 'create', '--bundle', bundle, 'short')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(shown('test-short.scope', 'ActiveState', 'TasksMax')).toEqual({ ActiveState: 'active', TasksMax: 'infinity' });
    expect(await oci('start', 'short')).toEqual({ code: 0, stdout: '', stderr: '' });
    await until('the container has ended', async () => JSON.parse((await oci('state', 'short')).stdout).status === 'stopped');
    expect(await oci('delete', 'short')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(scopes()).toEqual([]);
  }
  expect(await oci('--systemd-cgroup', 'run', '--bundle', bundle, 'short')).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(scopes()).toEqual([]);
});

it('a run in the foreground leaves another container of its id alone that was made since somebody deleted its own', async () => {
  const [first = '', second = ''] = ['first', 'second'].map((name) => makeBundle(folder, ['busybox', 'sleep', '600'], inScope(name)));
  const { child, ended } = await foregroundRun(runtimes, first, '--systemd-cgroup');
  child.kill('SIGSTOP');
  try {
    expect(await oci('--systemd-cgroup', 'delete', '--force', 'one')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await oci('--systemd-cgroup', 'create', '--bundle', second, 'one')).toEqual({ code: 0, stdout: '', stderr: '' });
  } finally {
    child.kill('SIGCONT');
  }
  expect(await ended).toEqual([137, null]);
  expect(JSON.parse((await oci('state', 'one')).stdout)).toMatchObject({ status: 'created' });
  expect(scopes()).toEqual(['test-second.scope']);
  expect(await oci('--systemd-cgroup', 'delete', '--force', 'one')).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(scopes()).toEqual([]);
});

it('a container that can not be made leaves no scope, nor does one whose maker was killed', async () => {
  const wrong = makeBundle(folder, ['busybox', 'true'], (config) => {
    inScope('wrong')(config);
    Object.assign(config.linux, { sysctl: { 'net.ipv4.no_such_file': '1' } });
  });
  const refused = await oci('--systemd-cgroup', 'create', '--bundle', wrong, 'wrong');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('no_such_file');
  expect(scopes()).toEqual([]);
  expect(existsSync(join(states, 'wrong'))).toBe(false);

  // a scope of that name is somebody's already
  const taken = makeBundle(folder, ['busybox', 'sleep', '600'], inScope('taken'));
  expect(await oci('--systemd-cgroup', 'run', '--detach', '--bundle', taken, 'first')).toMatchObject({ code: 0 });
  expect((await oci('--systemd-cgroup', 'create', '--bundle', taken, 'second')).stderr).toMatch(/cgroup is not empty/);
  expect(JSON.parse((await oci('state', 'first')).stdout)).toMatchObject({ status: 'running' });

  // what a killed create leaves: the note of its groups, and the scope
  const record = JSON.parse(readFileSync(join(states, 'first', 'state.json'), 'utf8'));
  expect(record.groups).toMatchObject([{ unit: 'test-taken.scope' }]);
  rmSync(join(states, 'first', 'state.json'));
  writeFileSync(join(states, 'first', 'plans'), '');
  expect(await oci('delete', '--force', 'first')).toMatchObject({ code: 0 });
  expect(scopes()).toEqual([]);
});
