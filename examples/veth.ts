// Two containers, one cable: they ping each other and nothing else.
import { Container, VethPair } from 'nacelle';

function pinger(address: string): Promise<Container> {
  // A container has no network but lo unless told otherwise; ping needs raw sockets.
  return Container.create({ image: 'host', command: ['ping', '-c', '3', '-i', '0.2', address], capAdd: ['NET_RAW'] });
}

await using left = await pinger('10.0.0.2');
await using right = await pinger('10.0.0.1');

// A namespace that is held stays, so each can answer until the other is done.
await using leftNetwork = await left.namespace('net');
await using rightNetwork = await right.namespace('net');

await using pair = await VethPair.create({
  namespace: leftNetwork,
  name: 'eth0',
  address: '10.0.0.1/24',
  peer: rightNetwork,
  peerName: 'eth0',
  peerAddress: '10.0.0.2/24',
});
console.log(`${pair.host.addresses} (${pair.host.mac}) <-> ${pair.peer.addresses} (${pair.peer.mac}), ${pair.host.mtu} bytes a packet`);

await Promise.all([left.start(), right.start()]);
for (const result of await Promise.all([left.wait(), right.wait()])) {
  process.stdout.write(result.stdout);
  if (result.failed) process.exitCode = 1;
}
const { host, peer } = await pair.stats();
console.log(`left sent ${host.txPackets} packets, right ${peer.txPackets}`);
