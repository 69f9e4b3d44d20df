import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { cgroupMounts } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { BUNDLE_GROUP, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc'] });
const folder = temporaryFolder();
const { oci, runc } = useRuntimes(folder);

describe('the memory policy of a container', () => {
  it.each([
    [{ mode: 'MPOL_BIND', nodes: '0' }, 'bind:0'],
    [{ mode: 'MPOL_INTERLEAVE', nodes: '0', flags: ['MPOL_F_STATIC_NODES'] }, 'interleave=static:0'],
    [{ mode: 'MPOL_PREFERRED', nodes: '0', flags: ['MPOL_F_RELATIVE_NODES'] }, 'prefer=relative:0'],
    [{ mode: 'MPOL_LOCAL' }, 'local'],
    [{ mode: 'MPOL_DEFAULT', nodes: '' }, 'default'],
    [{}, 'default'],
  ])('is %j for its program, and for one that enters it', async (memoryPolicy, expected) => {
    const ask = ['busybox', 'awk', '{ print $2; exit }', '/proc/self/numa_maps'];
    const bundle = makeBundle(folder, ['sh', '-c', `${ask[0]} awk '${ask[2]}' ${ask[3]}; busybox sleep 1000`], (config) => {
      Object.assign(config.linux, { memoryPolicy });
    });
    expect(await oci('run', '-d', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
    expect(await oci('exec', 'one', ...ask)).toEqual({ code: 0, stdout: `${expected}\n`, stderr: '' });
    const short = makeBundle(folder, ask, (config) => Object.assign(config.linux, { memoryPolicy }));
    expect(await oci('run', '--bundle', short, 'two')).toMatchObject({ code: 0, stdout: `${expected}\n` });
  });

  it('is refused by its field, with runc’s words', async () => {
    for (const [memoryPolicy, words] of [
      [{ mode: 'MPOL_NONE', nodes: '0' }, 'linux.memoryPolicy.mode is an invalid memory policy mode'],
      [{ nodes: '0-7' }, 'linux.memoryPolicy.mode is an invalid memory policy mode'],
      [{ mode: 'MPOL_BIND', nodes: '0-9876543210' }, 'linux.memoryPolicy.nodes is an invalid memory policy node'],
      [{ mode: 'MPOL_BIND' }, 'linux.memoryPolicy.nodes'],
      [{ mode: 'MPOL_LOCAL', nodes: '0' }, 'linux.memoryPolicy.nodes'],
      [{ mode: 'MPOL_BIND', nodes: '0', flags: ['MPOL_F_NONE'] }, 'linux.memoryPolicy.flags[0] is an invalid memory policy flag'],
      [{ mode: 'MPOL_BIND', nodes: '1000' }, 'set the memory policy: EINVAL'],
    ] as const) {
      const bundle = makeBundle(folder, ['true'], (config) => Object.assign(config.linux, { memoryPolicy }));
      expect(await oci('run', '--bundle', bundle, 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining(words) });
    }
  });
});

describe('flags of a scheduler', () => {
  it('are those of the process, not of a child where that is what they say', async () => {
    // the nice value of process 1, then of a child of it
    const script = 'busybox cut -d " " -f 19 /proc/1/stat; busybox cut -d " " -f 19 /proc/self/stat; true';
    const flagged = (flags: string[]): string =>
      makeBundle(folder, ['sh', '-c', script], (config) =>
        Object.assign(config.process, { scheduler: { policy: 'SCHED_OTHER', nice: -5, flags } }),
      );
    expect(await oci('run', '--bundle', flagged([]), 'one')).toMatchObject({ code: 0, stdout: '-5\n-5\n' });
    expect(await oci('run', '--bundle', flagged(['SCHED_FLAG_RESET_ON_FORK']), 'two')).toMatchObject({ code: 0, stdout: '-5\n0\n' });
    expect(await oci('run', '--bundle', flagged(['SCHED_FLAG_NONE']), 'three')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('process.scheduler.flags'),
    });
  });
});

describe('a program of exec', () => {
  it('is in a group below the container’s, as with runc', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    const id = bundle.split('-').at(-1) ?? '';
    const below = cgroupMounts().map(({ path }) => join(path, BUNDLE_GROUP, id, 'sub'));
    const ask = ['busybox', 'grep', '-c', '/sub$', '/proc/self/cgroup'];
    const asks = async (runtime: typeof oci) => {
      expect(await runtime('run', '-d', '--bundle', bundle, 'one')).toMatchObject({ code: 0 });
      const there = below.filter((path) => existsSync(dirname(path)));
      for (const path of there) {
        mkdirSync(path);
        // a new group of v1 has no processors, and takes no process
        for (const file of ['cpuset.cpus', 'cpuset.mems'].filter((name) => existsSync(join(path, name))))
          writeFileSync(join(path, file), readFileSync(join(dirname(path), file)));
      }
      const all = await runtime('exec', '--cgroup', 'sub', 'one', ...ask);
      const own = await runtime('exec', 'one', ...ask);
      for (const path of there) rmdirSync(path);
      await runtime('delete', '--force', 'one');
      return { all, own, count: there.length };
    };
    const ours = await asks(oci);
    expect(Number(ours.all.stdout)).toBe(ours.count);
    expect(ours.own.stdout).toBe('0\n');
    const theirs = await asks(runc);
    expect(Number(theirs.all.stdout)).toBe(theirs.count);
  });

  it('is refused where there is no such group, and with a label that is not to be had', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    await oci('run', '-d', '--bundle', bundle, 'one');
    for (const [flags, words] of [
      [['--cgroup', 'nowhere'], '/nowhere/cgroup.procs: no such file or directory'],
      [['--cgroup', '../out'], 'invalid --cgroup argument: bad sub cgroup path: ../out is not a sub cgroup path'],
      [['--cgroup', 'nothing:sub'], 'unknown controller nothing'],
      [['--cgroup', ',memory:sub'], 'empty controller'],
      [['--cgroup', 'sub', '--cgroup', 'memory:sub'], 'invalid --cgroup argument: sub (a group of all controllers'],
      [['--apparmor', 'profile'], 'config provided but apparmor not supported'],
      [['--process-label', 'label'], 'selinux label is specified in config, but selinux is disabled or not supported'],
    ] as const)
      expect(await oci('exec', ...flags, 'one', 'true')).toMatchObject({ code: 255, stderr: expect.stringContaining(words) });
  });
});
