// A network that plugins of CNI make: Debian's bridge, host-local and portmap. A web server is reached by a port of this machine.
import './support/own-network.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Container, features, Network } from 'nacelle';

async function example(): Promise<void> {
  const leases = mkdtempSync(join(tmpdir(), 'cni-example-'));
  const configuration = {
    cniVersion: '1.0.0',
    name: 'example',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni-example',
        isGateway: true,
        ipam: { type: 'host-local', dataDir: leases, ranges: [[{ subnet: '10.22.0.0/24' }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };

  // the path of a file, /etc/cni/net.d/10-example.conflist, would do as well
  const network = await Network.create('example', { driver: { cni: configuration } });
  const { cni } = await network.inspect();
  console.log(`plugins: ${cni?.plugins.join(', ')}, by version ${cni?.version} of the specification`);

  const server = "require('node:http').createServer((_, answer) => answer.end('hello from behind portmap')).listen(80)";
  const web = await Container.create({ image: 'host', command: ['node', '-e', server], network, name: 'web', ports: ['8080:80'] });
  await web.start();
  await web.waitFor({ port: 80 });
  console.log('addresses:', (await web.inspect()).networks.flatMap(({ addresses }) => addresses).join(', '));
  console.log(await (await fetch('http://127.0.0.1:8080/')).text());

  const { stdout } = await Container.run({ image: 'host', command: ['getent', 'hosts', 'web'], network });
  console.log('others find it by name:', stdout.trim());

  await web.remove({ force: true });
  await network.remove();
  rmSync(leases, { recursive: true });
}

const { available, reason, fix } = (await features()).network.cni;
if (available) await example();
else console.log(`not here: ${reason}. ${fix ?? ''}`);
