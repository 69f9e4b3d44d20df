// Networks: containers with addresses, which find each other by name. One of them is on two networks.
import './support/own-network.js';
import { Container, Network } from 'nacelle';

// ping needs raw sockets
const ping = (address: string) => ['ping', '-c', '1', '-W', '5', address];
const host = { image: 'host', capAdd: ['NET_RAW'] } as const;

const front = await Network.create(`front-${process.pid}`, { labels: { example: 'networks' } });
const back = await Network.create(`back-${process.pid}`, { internal: true, ipv6: true });
try {
  await using database = await Container.create({
    ...host,
    command: ['sleep', 'infinity'],
    name: 'database',
    network: [{ network: back, aliases: ['db'] }],
  });
  await database.start();
  await using web = await Container.create({
    ...host,
    command: ['sleep', 'infinity'],
    name: 'web',
    network: [{ network: front }, { network: back, interfaceName: 'inner' }],
  });
  await web.start();
  process.stdout.write((await web.exec(['ip', '-brief', 'address'])).stdout);

  // each finds the other by name, alias or id, and an address tells the name
  for (const [from, to] of [
    [web, 'database'],
    [web, 'db'],
    [database, 'web'],
    [database, web.id.slice(0, 12)],
  ] as const) {
    const { stdout } = await from.exec(['getent', 'ahostsv4', to]);
    console.log(`${from.name} finds ${to} at ${stdout.split(' ')[0]}`);
  }
  const [{ addresses: [address = ''] = [] } = {}] = (await database.inspect()).networks;
  const { stdout } = await web.exec(['getent', 'hosts', address.split('/')[0] ?? '']);
  console.log(`web is told that ${stdout.trim()} has that address`);

  // a container that lives joins a network, and leaves another
  await front.connect(database, { aliases: ['store'] });
  await back.disconnect(database);
  console.log((await database.exec(['ip', '-brief', 'address'])).stdout.trimEnd());
  console.log(`now ${(await web.exec(['getent', 'ahostsv4', 'store'])).stdout.split(' ')[0]} is store`);
  await back.connect(database);

  for (const network of [back, front]) {
    const { failed } = await Container.run({ ...host, command: ping('database'), network });
    console.log(`from ${network.name} ${failed ? 'nobody is called' : 'there is an answer of'} database`);
  }
  console.log((await back.inspect()).containers.map(({ addresses }) => addresses));
  await back.remove().catch((error: unknown) => console.log(`${error}`));
} finally {
  for (const network of [front, back]) await network.remove();
}
