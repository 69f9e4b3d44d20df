// Underlay and overlay: two hosts, here two network namespaces joined by a pair of links. In the underlay (macvlan) their containers are machines in
// the hosts' own network; in the overlay (vxlan) they are in a network of their own, which goes through that one in tunnels.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Container, Namespace, Network, type NetworkPeer, VethPair } from 'nacelle';

const number = process.env.EXAMPLE_HOST;
await (number === undefined ? bothHosts() : oneHost(number));

/** Makes the hosts, and carries what they tell each other: this is the store of yours from which a network learns. */
async function bothHosts(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'two-hosts-'));
  const [{ net: one }, { net: two }] = [await Namespace.create(['net']), await Namespace.create(['net'])];
  await using _wire = await VethPair.create({
    ...{ namespace: one, name: 'wire', address: '192.0.2.1/24' },
    ...{ peer: two, peerName: 'wire', peerAddress: '192.0.2.2/24' },
  });
  try {
    const hosts = [start('1', one, folder), start('2', two, folder)];
    for (const [place, host] of hosts.entries()) host.on('message', (told) => hosts[1 - place]?.send(Object(told)));
    await Promise.all(hosts.map((host) => once(host, 'exit')));
  } finally {
    await Promise.all([one.close(), two.close()]);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** This file again, in the network namespace of a host. */
function start(host: string, { fd }: Namespace, folder: string): ChildProcess {
  const env = { ...process.env, EXAMPLE_HOST: host, NACELLE_ROOT: join(folder, host), NACELLE_RUNROOT: join(folder, `run-${host}`) };
  const inside = `--net=/proc/${process.pid}/fd/${fd}`;
  const command = [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)];
  return spawn('nsenter', [inside, ...command], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

async function oneHost(host: string): Promise<void> {
  const other = host === '1' ? '2' : '1';
  const [own, peers] = [`192.0.2.${host}`, ['192.0.2.1', '192.0.2.2']];
  // each host gives addresses of a range of its own
  const underlay = await Network.create('underlay', {
    ...{ driver: 'macvlan', parent: 'wire', hostAccess: true },
    ...{ subnet: '192.0.2.0/24', gateway: '192.0.2.254', range: host === '1' ? '192.0.2.16/28' : '192.0.2.32/28' },
  });
  const overlay = await Network.create('overlay', {
    ...{ driver: 'vxlan', vni: 42, peers },
    ...{ subnet: '10.1.0.0/24', gateway: `10.1.0.${host}`, range: host === '1' ? '10.1.0.16/28' : '10.1.0.32/28' },
  });
  try {
    await using web = await Container.create({
      ...{ image: 'host', capAdd: ['NET_RAW'], command: ['sleep', 'infinity'], name: `web-${host}` },
      network: [{ network: overlay }, { network: underlay }],
    });
    await web.start();
    const [over, under] = (await web.inspect()).networks;
    const told = once(process, 'message') as Promise<[{ peer: NetworkPeer; address: string }]>;
    process.send?.({ peer: { host: own, addresses: over?.addresses ?? [], names: over?.names ?? [] }, address: under?.addresses[0] });
    const [{ peer, address }] = await told;
    await overlay.learn(peer);
    for (const to of [`web-${other}`, address.split('/')[0] ?? '']) {
      const { failed } = await web.exec(['ping', '-c', '1', '-W', '5', to]);
      console.log(`web-${host} ${failed ? 'does not reach' : 'reaches'} ${to}`);
    }
    // the other one may still be asking
    const asked = once(process, 'message');
    process.send?.({ done: true });
    await asked;
  } finally {
    for (const network of [overlay, underlay]) await network.remove();
    process.disconnect();
  }
}
