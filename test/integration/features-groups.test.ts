import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, describe as suite } from 'vitest';
import { LEAF } from '../../lib/host/cgroup-base.js';
import { Cgroup, type Features, features } from '../../lib/index.js';
import { removeGroups } from '../fixtures/groups.js';
import { cgroupMounts, groupOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { missing, requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['unshare', 'setpriv', 'mount'] });

const elsewhere = (through: string[], env: Record<string, string> = {}) => runNode<Features>('features', [], { through, env });
const inShell = (script: string) => ['sh', '-ec', `${script}\nexec "$@"`, 'sh'];

// what stays open in Node and in the shim from the first use on
beforeAll(async () => {
  if (missing({ root: true }).length === 0) await features();
});

describe('features() of control groups', () => {
  it('agrees with the mounts of this machine', async () => {
    const { cgroup } = await features();
    expect(cgroup).toMatchObject({ available: true, reason: null, fix: null, mode: await Cgroup.mode() });
    for (const name of ['cpu', 'cpuset', 'memory', 'pids', 'hugetlb']) {
      const mount = groupOf(name);
      expect({ [name]: cgroup.controllers[name]?.version }).toEqual({ [name]: mount?.version ?? null });
      if (!mount) expect(cgroup.controllers[name]).toMatchObject({ available: false, reason: expect.any(String) });
    }
    expect(cgroup.unified === null).toBe(!cgroupMounts().some(({ version }) => version === 2));
  });

  it('says where cgroups are mounted read-only, and what helps', async () => {
    const remount = cgroupMounts().map(({ path }) => `mount -o remount,bind,ro ${path}`);
    const { cgroup } = await elsewhere(['unshare', '--mount', ...inShell(remount.join('\n'))]);
    expect(cgroup).toMatchObject({
      available: false,
      reason: expect.stringContaining('read-only'),
      fix: expect.stringContaining('--privileged'),
    });
    expect(cgroup.controllers.memory).toMatchObject({ available: false, reason: expect.stringContaining('read-only') });
    expect(cgroup.bases).toEqual({});
  });

  it('sees a cgroup namespace', async () => {
    expect((await features()).cgroup.namespaced).toBe(false);
    expect((await elsewhere(['unshare', '--cgroup'])).cgroup.namespaced).toBe(true);
  });

  it('tells another user why it can make no groups, and goes on with the rest', async () => {
    // on a disk, as homes are: a tmpfs takes no marks of overlays of users before Linux 6.6
    const runtime = mkdtempSync('/home/nacelle-test-');
    chownSync(runtime, 65_534, 65_534);
    try {
      // it may read all, access(2) included, as the folder of this project may be closed to others
      const caps = ['--securebits=+no_setuid_fixup', '--inh-caps=-all,+dac_read_search', '--ambient-caps=-all,+dac_read_search'];
      const report = await elsewhere(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...caps], {
        NACELLE_RUNROOT: join(runtime, 'nacelle'),
        HOME: runtime,
      });
      expect(report.cgroup).toMatchObject({
        available: false,
        reason: expect.stringContaining('may not make groups'),
        fix: expect.any(String),
      });
      expect(report.cgroup.controllers.memory).toMatchObject({ available: false, reason: expect.stringContaining('may not make groups') });
      expect(report.rootless).toMatchObject({ available: true, reason: null, fix: null });
      expect(readdirSync(runtime).filter((name) => name.startsWith('.'))).toEqual([]);
      expect(report.seccomp.available).toBe(true);
    } finally {
      rmSync(runtime, { recursive: true });
    }
  });

  it('sees a threaded subtree, and makes its groups elsewhere', async () => {
    const top = cgroupMounts().find(({ version }) => version === 2)?.path ?? '';
    const domain = join(top, `nacelle-test-${process.pid}`);
    const thread = join(domain, 'threads');
    mkdirSync(thread, { recursive: true });
    try {
      writeFileSync(join(thread, 'cgroup.type'), 'threaded');
      const { cgroup } = await elsewhere(inShell(`echo $$ > ${domain}/cgroup.procs`));
      expect(cgroup.unified).toMatchObject({ own: domain, type: 'domain threaded' });
      expect(cgroup.bases[top]).toBe(top);
      const inner = await elsewhere(inShell(`echo $$ > ${domain}/cgroup.procs; echo $$ > ${thread}/cgroup.threads`));
      expect(inner.cgroup.unified).toMatchObject({ own: thread, type: 'threaded' });
      expect(inner.cgroup.bases[top]).toBe(top);
    } finally {
      await removeGroups(thread, domain);
    }
  });
});

// of v2 alone: the virtual machine has it, other machines need not
const hasV2 = cgroupMounts().every(({ version }) => version === 2);
const v2 = requires({ root: true, tools: ['setpriv'] });

(hasV2 ? v2.describe : suite.skip)('in a group of the unified tree that is handed controllers', () => {
  const top = (): string => cgroupMounts().find(({ version }) => version === 2)?.path ?? '';
  const seen = (folder: string): string => folder.slice(top().length);

  /** A service's group, as systemd makes one with Delegate=yes. */
  async function inService(work: (service: string) => Promise<void>): Promise<void> {
    const slice = join(top(), `nacelle-test-${process.pid}`);
    const service = join(slice, 'service');
    writeFileSync(join(top(), 'cgroup.subtree_control'), '+memory +pids');
    mkdirSync(slice);
    // whatever else the top hands on
    writeFileSync(join(slice, 'cgroup.subtree_control'), '+memory +pids');
    mkdirSync(service);
    try {
      await work(service);
    } finally {
      await removeGroups(join(service, LEAF), join(service, 'nacelle'), service, slice);
    }
  }

  interface Left {
    group: string;
    limit: number;
    own: string;
    run: string;
  }

  v2.it('Node moves to a leaf, so that groups below have limits', async () => {
    await inService(async (service) => {
      const left = await runNode<Left>('leaf', [], { through: inShell(`echo $$ > ${service}/cgroup.procs`) });
      expect(left).toMatchObject({ group: `${service}/nacelle/leaf-test`, limit: 50, own: `0::${seen(service)}/${LEAF}\n` });
      expect(left.run).toContain(`0::${seen(service)}/nacelle/leaf-test/`);
    });
  });

  v2.it('the report alone moves nobody', async () => {
    await inService(async (service) => {
      const { cgroup } = await elsewhere(inShell(`echo $$ > ${service}/cgroup.procs`));
      expect(cgroup).toMatchObject({
        available: true,
        bases: { [top()]: service },
        unified: { own: service, delegated: ['memory', 'pids'], type: 'domain' },
      });
      expect(cgroup.controllers.cpu).toMatchObject({ available: false, fix: expect.stringContaining('+cpu') });
      expect(existsSync(join(service, LEAF))).toBe(false);
    });
  });

  v2.it('the same for a user whom it was handed over', async () => {
    await inService(async (service) => {
      const runtime = mkdtempSync(join(tmpdir(), 'nacelle-test-'));
      for (const path of [runtime, service, ...['procs', 'subtree_control', 'threads'].map((name) => join(service, `cgroup.${name}`))])
        chownSync(path, 65_534, 65_534);
      const user = 'exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all';
      try {
        const left = await runNode<Left>('leaf', [], {
          through: ['sh', '-ec', `echo $$ > ${service}/cgroup.procs; ${user} "$@"`, 'sh'],
          env: { NACELLE_RUNROOT: join(runtime, 'nacelle'), HOME: runtime },
        });
        expect(left).toMatchObject({ group: `${service}/nacelle/leaf-test`, limit: 50, own: `0::${seen(service)}/${LEAF}\n` });
      } finally {
        rmSync(runtime, { recursive: true });
      }
    });
  });

  v2.it('with others in it: root makes its groups at the top', async () => {
    await inService(async (service) => {
      const crowd = `echo $$ > ${service}/cgroup.procs; sleep 1000 & other=$!; trap "kill $other" EXIT`;
      const { cgroup } = await runNode<Features>('features', [], { through: ['sh', '-ec', `${crowd}; "$@"`, 'sh'] });
      expect(cgroup.bases[top()]).toBe(top());
    });
  });
});
