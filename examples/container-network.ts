// A container in the network of another one, as the containers of a pod are: they share links, addresses and the loopback, and nothing else.
import './support/own-network.js';
import { Container, Network } from 'nacelle';

const serve = 'mkdir /www && cd /www && echo "hello from the server" > index.html && exec python3 -m http.server 8080 -b 127.0.0.1';
await using server = await Container.create({ image: 'host', command: ['sh', '-c', serve], network: 'bridge', name: 'server' });
await server.start();
await server.waitFor({ http: '/', port: 8080 });

// the server listens on its loopback alone, which is the sidecar's too
const ask = 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:8080/").read().decode(), end="")';
await using sidecar = await Container.create({ image: 'host', command: ['sleep', 'infinity'], network: server, name: 'sidecar' });
await sidecar.start();
const { stdout, stderr, failed } = await sidecar.exec(['python3', '-c', ask]);
process.stdout.write(stdout || stderr);
if (failed) process.exitCode = 1;

for (const container of [server, sidecar]) {
  const { stdout: address } = await container.exec(['ip', '-brief', '-4', 'address', 'show', 'dev', 'eth0']);
  console.log(container.name, address.trim(), Object.keys((await container.stats()).network ?? {}));
}
// each has processes and files of its own
console.log((await sidecar.exec(['sh', '-c', 'ls -d /www 2>&1; cat /proc/1/comm'])).stdout.trim());

// the network was made at its first use, and stays until somebody removes it
await sidecar.remove({ force: true });
await server.remove({ force: true });
await (await Network.open('bridge')).remove();
