// Two network namespaces with names, wired to a bridge by hand: what docker and its like do, step by step, where `ip netns` and `ip link` see it.
import './support/own-machine.js';
import { execFileSync } from 'node:child_process';
import { Container, Namespace, VethPair } from 'nacelle';

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });

ip('link', 'add', 'br0', 'type', 'bridge');
ip('link', 'set', 'br0', 'up');

// a name in /run/netns keeps a namespace without any process in it
const rooms = ['red', 'blue'];
for (const [place, room] of rooms.entries()) {
  const { net } = await Namespace.create(['net']);
  await net.pin(`/run/netns/${room}`);
  await net.close();
  await using held = await Namespace.open(`/run/netns/${room}`);
  // one end of the cable is a port of the bridge, the other one is eth0 in the room; it stays without this program
  await VethPair.create({ name: room, bridge: 'br0', peer: held, peerName: 'eth0', peerAddress: `10.0.0.${place + 1}/24`, persist: true });
}
process.stdout.write(`ip netns:\n${ip('netns')}ip link show master br0:\n${ip('-brief', 'link', 'show', 'master', 'br0')}`);

// others' programs work in them, and so do containers
process.stdout.write(ip('netns', 'exec', 'red', 'ping', '-c', '1', '-W', '5', '10.0.0.2'));
await using blue = await Namespace.open('/run/netns/blue');
const { stdout, failed } = await Container.run({
  image: 'host',
  command: ['ping', '-c', '1', '-W', '5', '10.0.0.1'],
  capAdd: ['NET_RAW'],
  network: blue,
});
process.stdout.write(stdout);
if (failed) process.exitCode = 1;

for (const room of rooms) await Namespace.unpin(`/run/netns/${room}`);
