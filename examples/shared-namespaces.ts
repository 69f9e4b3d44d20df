// Two containers that reach each other on the loopback, and one made for a network that was there before: as root and as any other user.
import { Container, Namespace } from 'nacelle';

const server = await Container.create({ image: 'host', command: ['sleep', '60'], name: 'shared-server' });
try {
  await server.start();
  const links = ['readlink', '/proc/self/ns/net'];
  const own = (await server.exec(links)).stdout.trim();
  const { stdout } = await Container.run({ image: 'host', command: links, network: server });
  console.log(`the server is in ${own}, the client in ${stdout.trim()}`);
  if (stdout.trim() !== own) process.exitCode = 1;
} finally {
  await server.remove({ force: true });
}

const { net, uts } = await Namespace.create(['net', 'uts'], { hostname: 'made-before' });
try {
  const { stdout } = await Container.run({ image: 'host', command: ['hostname'], namespaces: { net, uts } });
  process.stdout.write(`in namespaces that were made before: ${stdout}`);
  if (stdout !== 'made-before\n') process.exitCode = 1;
} finally {
  await net.close();
  await uts.close();
}
