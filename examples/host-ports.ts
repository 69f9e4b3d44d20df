// A server of this process's own loopback, for a container without a network: the container reaches this port, and nothing else.
import { createServer } from 'node:http';
import { Container } from 'nacelle';

const server = createServer((request, response) => response.end(`you asked for ${request.url}\n`));
await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
const address = server.address();
const port = typeof address === 'object' && address !== null ? address.port : 0;

const ask = `
import sys, urllib.request
print(urllib.request.urlopen('http://host.nacelle.internal:${port}/orders/7').read().decode(), end='')
try:
    urllib.request.urlopen('http://host.nacelle.internal:${port === 22 ? 23 : 22}/')
except OSError as error:
    print('another port:', error.reason)
`;
const { stdout } = await Container.run({ image: 'host', command: ['python3', '-c', ask], hostPorts: [port] });
process.stdout.write(stdout);
server.close();
