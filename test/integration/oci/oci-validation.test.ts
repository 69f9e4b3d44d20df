import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();
const { oci } = useRuntimes(folder);

describe('mounts', () => {
  it('are made in the order of config.json, binds among them', async () => {
    const places = ['/one', '/two', '/three', '/four'];
    const bundle = makeBundle(folder, ['busybox', 'awk', '{ print $5 }', '/proc/self/mountinfo'], ({ mounts }) => {
      const bind = { type: 'bind', source: folder, options: ['rbind'] };
      const tmpfs = { type: 'tmpfs', source: 'tmpfs' };
      mounts.push(...places.map((destination, index) => ({ destination, ...(index % 2 === 0 ? tmpfs : bind) })));
    });
    const { stdout, code } = await oci('run', '--bundle', bundle, 'one');
    expect(code).toBe(0);
    expect(stdout.split('\n').filter((path) => places.includes(path))).toEqual(places);
  });
});

const V1 = '/sys/fs/cgroup/freezer';
const FREEZERS = [V1, '/sys/fs/cgroup'];

describe('delete --force', () => {
  it('ends a process that somebody froze in a group of their own', async () => {
    const freezer = FREEZERS.find((path) => existsSync(path)) ?? '';
    const [file, freeze, thaw] = freezer === V1 ? ['freezer.state', 'FROZEN', 'THAWED'] : ['cgroup.freeze', '1', '0'];
    const group = join(freezer, `nacelle-frozen-${process.pid}`);
    expect(await oci('run', '--detach', '--bundle', makeBundle(folder, ['busybox', 'sleep', '1000']), 'one')).toMatchObject({ code: 0 });
    const { pid } = JSON.parse((await oci('state', 'one')).stdout);
    mkdirSync(group);
    try {
      writeFileSync(join(group, 'cgroup.procs'), String(pid));
      writeFileSync(join(group, file), freeze);
      expect(await oci('delete', '--force', 'one')).toEqual({ code: 0, stdout: '', stderr: '' });
      expect(readFileSync(join(group, 'cgroup.procs'), 'utf8')).toBe('');
    } finally {
      writeFileSync(join(group, file), thaw);
      rmdirSync(group);
    }
  });
});
