// A web server, a cache and a database, each in a container, on one network where they find each other by name: what a compose file is for.
import '../support/own-network.js';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Container, Network } from 'nacelle';

const network = await Network.create(`compose-${process.pid}`);

/** Starts a service, and waits until it takes connections. */
async function service(name: string, script: string, port: number): Promise<Container> {
  const container = await Container.create({
    image: 'host',
    name,
    network,
    command: ['node', `/srv/${script}`],
    copyIn: { [`/srv/${script}`]: { source: join(import.meta.dirname, script), mode: 0o644 } },
    user: 'nobody',
    memory: '256m',
    pidsLimit: 64,
    // an ordinary user may have no control groups: the example goes on without these two limits then
    onUnsupported: 'report',
    bandwidth: { egress: '10m' },
  });
  await container.start();
  await container.waitFor({ port }).catch(async (error: unknown) => {
    await container.remove({ force: true });
    throw error;
  });
  return container;
}

/** Asks a container's web server; no port of this machine leads there. */
async function ask(container: Container, path: string): Promise<IncomingMessage> {
  const stream = await container.connect(8080);
  return new Promise((resolve, reject) => {
    get({ path, createConnection: () => stream }, resolve).on('error', reject);
  });
}

try {
  await using database = await service('database', 'store.mjs', 7000);
  await using cache = await service('cache', 'store.mjs', 7000);
  await using web = await service('web', 'web.mjs', 8080);

  const put = "await fetch('http://localhost:7000/greeting', { method: 'PUT', body: 'hello' })";
  await database.exec(['node', '--input-type=module', '-e', put], { reject: true });
  for (const expected of ['database', 'cache']) {
    const answer = await ask(web, '/greeting');
    const from = answer.headers['x-from'];
    console.log(`${answer.statusCode} ${await text(answer)}, from the ${from}`);
    if (from !== expected) process.exitCode = 1;
  }

  // who is on the network, and what each has sent
  for (const { id, name, networks } of await Container.list({ network: network.name })) {
    const container = [database, cache, web].find((one) => one.id === id);
    const sent = (await container?.stats())?.network?.eth0?.txPackets ?? 0;
    console.log(`${name} is on ${networks.length} network, and has sent ${sent > 0 ? 'something' : 'nothing'}`);
  }
} finally {
  await network.remove();
}
