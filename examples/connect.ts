// A web server in a container without a network: no port of the host leads to it, but this program does.
import { get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { Container } from 'nacelle';

const command = [
  'sh',
  '-c',
  'mkdir /www && cd /www && echo "hello from inside" > index.html && exec python3 -m http.server 8080 -b 127.0.0.1',
];
await using server = await Container.create({ image: 'host', command, network: 'none' });
await server.start();

// It is ready when it answers.
await server.waitFor({ http: '/', port: 8080 });

/** Any client that takes a stream will do: this is Node's own. */
async function ask(path: string): Promise<string> {
  const stream = await server.connect(8080);
  return new Promise((resolve, reject) => {
    get({ path, createConnection: () => stream }, (response) => text(response).then(resolve, reject)).on('error', reject);
  });
}
console.log((await ask('/')).trim());

// Nobody listens on another port.
await server.connect(9090).catch((error: Error) => console.log(error.message));

// A port of the host's loopback for as long as it is wanted: each connection there is one in the container.
const forward = createServer({ allowHalfOpen: true }, async (client) => {
  try {
    const stream = await server.connect(8080);
    stream.on('error', () => client.destroy());
    client.on('error', () => stream.destroy());
    client.pipe(stream).pipe(client);
  } catch (error) {
    client.destroy();
    console.error('a connection failed:', error);
  }
}).listen(0, '127.0.0.1');
await new Promise((resolve) => forward.once('listening', resolve));
const { port } = forward.address() as AddressInfo;
const answer = await fetch(`http://127.0.0.1:${port}/index.html`, { headers: { connection: 'close' } });
console.log(`forwarded: ${answer.status} ${(await answer.text()).trim()}`);
forward.close();
