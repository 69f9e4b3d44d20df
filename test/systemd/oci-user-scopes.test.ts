import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import { afterEach, expect } from 'vitest';
import { specText } from '../../lib/runtime-cli/runtime-texts.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { programFile } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { called, makeBundle, type RuntimeCall } from '../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';

// As an ordinary user in a login session, with a systemd that has groups of its own: `npm run test:vm -- --systemd`.
useLeakCheck();
const { describe, it } = requires({ tools: ['busybox', 'systemctl', 'systemd-run', 'runc', 'newuidmap', 'newgidmap'], cgroup: 'v2' });
const folder = temporaryFolder();
const USER = geteuid?.() ?? 0;

const runtimes = {
  ours: [process.execPath, programFile('nacelle-oci'), '--root', join(folder, 'states')],
  theirs: ['runc', '--root', join(folder, 'runc')],
};
/** Calls a runtime where rootless engines call theirs: in a scope of the user's, from which the kernel lets a process go to another one. */
const call = (runtime: keyof typeof runtimes, ...args: string[]): Promise<RuntimeCall> =>
  called('systemd-run', ['--user', '--scope', '--quiet', '--collect', ...runtimes[runtime], '--systemd-cgroup', ...args]);

const SLICE = 'nacelletest.slice';

function bundleOf(cgroupsPath?: string): string {
  return makeBundle(folder, ['busybox', 'sleep', '600'], (config) => {
    const { linux, mounts } = JSON.parse(specText({ rootless: { uid: USER, gid: USER } }));
    Object.assign(config, { linux, mounts });
    config.linux.resources = { memory: { limit: 64 << 20 }, pids: { limit: 20 } };
    if (cgroupsPath) config.linux.cgroupsPath = cgroupsPath;
  });
}

function shown(unit: string): Record<string, string> {
  const names = ['Slice', 'ControlGroup', 'Delegate', 'ActiveState', 'TasksMax', 'MemoryMax'];
  const text = execFileSync('systemctl', ['--user', 'show', unit, ...names.map((name) => `--property=${name}`)], { encoding: 'utf8' });
  return Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => line.split('=')),
  );
}

const limitsOf = (group: string): string[] =>
  ['memory.max', 'pids.max'].map((file) => readFileSync(join('/sys/fs/cgroup', group, file), 'utf8').trim());

describe('a container in a scope of the user’s systemd', () => {
  afterEach(async () => {
    await call('ours', 'delete', '--force', 'ours');
    await call('theirs', 'delete', '--force', 'theirs');
    spawnSync('systemctl', ['--user', 'stop', SLICE]);
  });

  it('has the unit, the group and the limits that one of runc has, is joined and changed there, and both go with it', async () => {
    const [ours, theirs] = [bundleOf(`${SLICE}:test:ours`), bundleOf(`${SLICE}:test:theirs`)];
    expect(await call('ours', 'run', '--detach', '--bundle', ours, 'ours')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await call('theirs', 'run', '--detach', '--bundle', theirs, 'theirs')).toMatchObject({ code: 0 });
    const unit = shown('test-ours.scope');
    expect(unit).toEqual(JSON.parse(JSON.stringify(shown('test-theirs.scope')).replaceAll('theirs', 'ours')));
    expect(unit).toMatchObject({ Slice: SLICE, ActiveState: 'active', TasksMax: '20' });
    const group = unit.ControlGroup ?? '';
    expect(limitsOf(group)).toEqual([String(64 << 20), '20']);

    const { stdout } = await call('ours', 'exec', 'ours', 'busybox', 'cat', '/proc/self/cgroup', '/proc/1/cgroup');
    expect(stdout).toBe('0::/\n0::/\n');
    const { pid } = JSON.parse((await call('ours', 'state', 'ours')).stdout);
    expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toBe(`0::${group}\n`);

    expect(await call('ours', 'update', '--memory', String(80 << 20), 'ours')).toMatchObject({ code: 0, stderr: '' });
    execFileSync('systemctl', ['--user', 'daemon-reload']);
    expect(limitsOf(group)).toEqual([String(80 << 20), '20']);

    expect(await call('ours', 'delete', '--force', 'ours')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(existsSync(join('/sys/fs/cgroup', group))).toBe(false);
    await until('systemd has forgotten the scope', () => shown('test-ours.scope').ActiveState === 'inactive');
  });

  it('is in user.slice where config.json names none, and is told of where it can’t be had', async () => {
    expect(await call('ours', 'run', '--detach', '--bundle', bundleOf(), 'ours')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(shown('nacelle-ours.scope')).toMatchObject({ Slice: 'user.slice', ActiveState: 'active' });
    expect(await call('ours', 'delete', '--force', 'ours')).toEqual({ code: 0, stdout: '', stderr: '' });
    // from the session's own group, which is root's, no process may go to one of the user's
    const [command = '', ...args] = runtimes.ours;
    const refused = await called(command, [...args, '--systemd-cgroup', 'run', '--detach', '--bundle', bundleOf(), 'ours']);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('systemd-run --user --scope') });
    expect(shown('nacelle-ours.scope').ActiveState).toBe('inactive');
  });
});
