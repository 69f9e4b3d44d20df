// Egress by domain: what a container may connect to, and what was refused. It tries what its list refuses, and a server of this program's own
// loopback (hostPorts). It connects to no name of the list: that would lead to a public address, and the example needs no internet.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Container } from 'nacelle';

const server = createServer((socket) => socket.end('hello from outside\n')).listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
const port = typeof address === 'object' && address !== null ? address.port : 0;

const script = `
const { connect } = require('node:net');
const attempt = (host, port) => new Promise((resolve) => {
  connect({ host, port, autoSelectFamily: false }).on('data', (text) => resolve(String(text).trim())).on('error', (error) => resolve(error.code));
});
(async () => {
  console.log('a port of the caller:', await attempt('host.nacelle.internal', ${port}));
  console.log('a name off the list:', await attempt('tracker.example', 443));
  console.log('a literal address:', await attempt('11.0.0.1', 80));
  console.log('another port:', await attempt('registry.example', 80));
})();`;

const result = await Container.run({
  image: 'host',
  command: [process.execPath, '-e', script],
  hostPorts: [port],
  egress: {
    allow: ['registry.example:443', '*.cdn.example:443'],
    onDenied: ({ host, address, port }) => console.log(`refused: ${host ?? address}${port === null ? '' : `:${port}`}`),
  },
});
process.stdout.write(result.stdout);
server.close();
