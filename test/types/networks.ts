// What of networks compiles, and what must not; compiled as options.ts is.
import { Container, Network, type NetworkAttachment, type NetworkInfo, type PruneReport, type RunOptions } from 'nacelle';

declare const maybe: string | undefined;
declare const size: number | undefined;
declare const flag: boolean | undefined;

/** What a caller has may be undefined, and lists may be readonly. */
export async function networks(): Promise<NetworkInfo> {
  await using network = await Network.create('shop', {
    driver: 'bridge',
    subnet: ['10.1.0.0/24', 'fd00:1::/64'] as const,
    gateway: maybe,
    range: maybe,
    internal: flag,
    ipv6: flag,
    mtu: size,
    labels: { kind: 'shop' },
    persist: flag,
  });
  const places: readonly NetworkAttachment[] = [{ network, ip: maybe, mac: maybe, interfaceName: maybe }, { network: 'bridge' }];
  const options: RunOptions = { image: 'host', network: places };
  await Container.run(options);
  await Container.run({ image: 'host', network: 'bridge', ip: maybe });
  const pruned: PruneReport = await Network.prune();
  console.log(pruned.networks, (await Network.list()).length, (await Network.open('shop')).name);
  return network.inspect();
}

/** Streams, and what is waited for. */
export async function connections(container: Container): Promise<void> {
  const stream = await container.connect(80, { host: maybe, timeout: size });
  stream.end();
  await container.waitFor({ port: 80 });
  await container.waitFor({ http: '/', port: 80, status: size });
}

// @ts-expect-error there is no such driver
export const driver = Network.create('shop', { driver: 'macvlan' });
// @ts-expect-error a place names its network
export const nowhere: NetworkAttachment = { ip: '10.1.0.2' };
