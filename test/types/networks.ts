// What of networks compiles, and what must not; compiled as options.ts is.
import {
  type Bandwidth,
  type CniDriver,
  type CniError,
  Container,
  type ContainerUpdate,
  type EgressLists,
  Network,
  type NetworkAttachment,
  type NetworkConnectOptions,
  type NetworkInfo,
  type PruneReport,
  type RunOptions,
} from 'nacelle';

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
  const bandwidth: Bandwidth = { egress: '1m', ingress: size };
  await Container.run({ ...options, bandwidth });
  await Container.run({ image: 'host', network: 'bridge', ip: maybe });
  const [listed] = await Container.list({ network: maybe });
  console.log(listed?.networks.includes('shop'));
  const pruned: PruneReport = await Network.prune();
  console.log(pruned.networks, (await Network.list()).length, (await Network.open('shop')).name);
  return network.inspect();
}

/** What changes while a container lives. */
export async function changes(network: Network, container: Container): Promise<void> {
  const place: NetworkConnectOptions = { ip: maybe, mac: maybe, interfaceName: maybe, aliases: ['front'] };
  await network.connect(container, place);
  await network.disconnect(container);
  const update: ContainerUpdate = { memory: '64m', bandwidth: { egress: size } };
  await container.update(update);
  await container.update({ bandwidth: null });
  const lists: EgressLists = { allow: ['example.org:443'], deny: undefined };
  await container.setEgress(lists);
  await container.setEgress({ ...lists, onDenied: ({ host }) => console.log(host) });
  await container.setEgress(null);
}

// @ts-expect-error a network is joined by a container, not by its name
export const unnamed = (network: Network) => network.connect('web');

/** Streams, and what is waited for. */
export async function connections(container: Container): Promise<void> {
  const stream = await container.connect(80, { host: maybe, timeout: size });
  stream.end();
  (await container.stats()).network?.eth0?.rxBytes satisfies number | undefined;
  await container.waitFor({ port: 80 });
  await container.waitFor({ http: '/', port: 80, status: size });
}

/** Plugins of CNI: a file, or the configuration itself. */
export async function plugins(): Promise<string | undefined> {
  await Network.create('lan', { driver: { cni: '/etc/cni/net.d/lan.conflist', args: { TEAM: 'a' }, timeout: size } });
  const driver: CniDriver = { cni: { cniVersion: '1.0.0', name: 'lan', plugins: [{ type: 'bridge' }] } };
  const network = await Network.create('lan', { driver, labels: { kind: 'lan' } });
  const checked: readonly string[] = await network.check();
  console.log(checked.length);
  const { cni } = await network.inspect();
  const codeOf = ({ plugin, path, command, pluginCode }: CniError): string => `${command} ${plugin} ${path} ${pluginCode}`;
  console.log(codeOf);
  return cni?.plugins.at(0);
}

// @ts-expect-error there is no such driver
export const driver = Network.create('shop', { driver: 'overlay' });
// @ts-expect-error a place names its network
export const nowhere: NetworkAttachment = { ip: '10.1.0.2' };
