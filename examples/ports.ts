// Published ports: a web server in a container, reached by ports of this machine that come and go.
import './support/own-network.js';
import { Container, Network } from 'nacelle';

const server = `require('node:http').createServer((request, response) => response.end('hello, ' + request.socket.remoteAddress + '\\n'))
  .listen(80, '0.0.0.0')`;

await using web = await Container.create({
  image: 'host',
  command: [process.execPath, '-e', server],
  network: 'bridge',
  // of 127.0.0.1, the first of these that is free; and any port of UDP
  ports: ['8080-8089:80', '53/udp'],
});
await web.start();
await web.waitFor({ port: 80 });
console.log(web.ports.map(({ host, container, protocol }) => `${host > 8089 ? 'some port' : host} leads to ${container}/${protocol}`));

const [{ host = 0 } = {}] = web.ports;
console.log((await (await fetch(`http://127.0.0.1:${host}`)).text()).trim());

// one more while it lives, and away again
const more = await web.publish('80');
console.log((await fetch(`http://127.0.0.1:${more.host}`, { headers: { connection: 'close' } })).status);
await web.unpublish(more);
await fetch(`http://127.0.0.1:${more.host}`).catch(({ cause }: { cause?: { code?: string } }) => console.log(cause?.code));

// a port that another container has is told at once, before anything is made
const taken = { image: 'host', command: ['true'], network: 'bridge', ports: [`${host}:80`] } as const;
await Container.run(taken).catch((error: { code?: string }) => console.log(error.code));

// the network was made at its first use, and stays until somebody removes it
await web.remove({ force: true });
await (await Network.open('bridge')).remove();
