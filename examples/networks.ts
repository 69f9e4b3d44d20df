// Networks: containers with addresses, one of which is on two networks.
import './support/own-network.js';
import { Container, Network } from 'nacelle';

// ping needs raw sockets
const ping = (address: string) => ['ping', '-c', '1', '-W', '5', address];
const host = { image: 'host', capAdd: ['NET_RAW'] } as const;

const front = await Network.create(`front-${process.pid}`, { labels: { example: 'networks' } });
const back = await Network.create(`back-${process.pid}`, { internal: true, ipv6: true });
try {
  await using database = await Container.create({ ...host, command: ['sleep', 'infinity'], network: back });
  await database.start();
  const [{ addresses: [four = '', six = ''] = [] } = {}] = (await database.inspect()).networks;

  const seen = await Container.run({
    ...host,
    command: ['ip', '-brief', 'address'],
    network: [{ network: front }, { network: back, interfaceName: 'inner' }],
    reject: true,
  });
  process.stdout.write(seen.stdout);

  for (const [network, address] of [
    [back, four],
    [back, six],
    [front, four],
  ] as const) {
    const { failed } = await Container.run({ ...host, command: ping(address.split('/')[0] ?? ''), network });
    console.log(`from ${network.name} ${failed ? 'nobody answers at' : 'there is an answer of'} ${address}`);
  }
  console.log((await back.inspect()).containers.map(({ addresses }) => addresses));
  await back.remove().catch((error: unknown) => console.log(`${error}`));
} finally {
  for (const network of [front, back]) await network.remove();
}
