import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parsePooled } from '../../../../lib/container/pool/pool-options.js';
import { useNewStore } from '../../../fixtures/store.js';
import { temporaryFolder } from '../../../fixtures/temporary.js';

const store = useNewStore(temporaryFolder());

/** Writes down a network that plugins make, as `Network.create` does. */
function pluginNetwork(name: string): void {
  const list = { name, versions: ['1.0.0'], disableCheck: false, disableGC: false, plugins: [{ type: 'bridge' }] };
  const settings = { list, version: '1.0.0', file: null, args: {}, timeout: 1000 };
  const common = { subnets: [], range: null, internal: false, mtu: null, labels: {}, persist: false, createdAt: new Date(0).toISOString() };
  mkdirSync(join(store.root, 'networks'), { recursive: true });
  writeFileSync(join(store.root, 'networks', `${name}.json`), JSON.stringify({ driver: 'cni', ...settings, ...common }));
}

describe('the options of a pool', () => {
  it.each<[string, object]>([
    ['network[1].ip', { network: [{ network: 'one' }, { network: 'two', ip: '10.89.0.9' }] }],
    ['network[0].mac', { network: [{ network: 'one', mac: '02:00:00:00:00:01' }] }],
    ['network', { network: 'plugged' }],
    ['network', { network: [{ network: 'one' }, { network: 'plugged' }] }],
  ])('are refused with what one container alone can have: %s', (option, more) => {
    pluginNetwork('plugged');
    expect(() => parsePooled({ image: 'host', ...more })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(`option ${option}: can't go with a pool`) }),
    );
  });

  it('may have networks that are made here', () => {
    pluginNetwork('plugged');
    expect(parsePooled({ image: 'host', network: [{ network: 'one' }, { network: 'two' }] }).networks).toHaveLength(2);
  });
});
