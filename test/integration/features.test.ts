import { existsSync } from 'node:fs';
import { beforeAll, expect } from 'vitest';
import { cniPath } from '../../lib/host/cni-feature.js';
import { Cgroup, type Features, features, Namespace } from '../../lib/index.js';
import { namespaceTypes } from '../../lib/plan/namespace-types.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { missing, requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['unshare', 'setpriv', 'mount'] });

const elsewhere = (through: string[], env: Record<string, string> = {}) => runNode<Features>('features', [], { through, env });

// what stays open in Node and in the shim from the first use on
beforeAll(async () => {
  if (missing({ root: true }).length === 0) await features();
});

describe('features()', () => {
  it('tells of each type of namespace what a try tells', async () => {
    const report = await features();
    for (const type of namespaceTypes) {
      const made = await Namespace.create([type]).catch(() => null);
      expect({ [type]: report.namespaces[type].available }).toEqual({ [type]: made !== null });
      await made?.[type].close();
    }
    expect(report).toMatchObject({ overlay: { available: true }, seccomp: { available: true } });
    expect(report.network).toMatchObject({
      none: { available: true },
      bridge: { available: true },
      macvlan: { available: true },
      vxlan: { available: true },
      cni: { available: cniPath().some(existsSync) },
    });
  });

  it('says what root lacks for networks', async () => {
    const { network } = await elsewhere(['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin']);
    expect(network).toMatchObject({
      none: { available: true },
      bridge: { available: false, fix: expect.stringContaining('CAP_NET_ADMIN') },
    });
    expect(network.bridge.reason).toContain('nftables');
  });

  it('says what keeps all of it from working', async () => {
    const nothing = { available: false, reason: expect.stringContaining('/nowhere'), fix: expect.stringContaining('npm rebuild') };
    const report = await elsewhere([], { NACELLE_BUILD_DIR: '/nowhere' });
    expect(report).toMatchObject({
      overlay: nothing,
      seccomp: nothing,
      network: { none: nothing, host: nothing, bridge: nothing },
      cgroup: nothing,
    });
    expect(report).toMatchObject({
      namespaces: { user: nothing },
      cgroup: { mode: await Cgroup.mode(), controllers: { memory: nothing } },
    });
  });
});
