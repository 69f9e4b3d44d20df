// Files in and out of a container that runs: text, trees, and tars as streams.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Container } from 'nacelle';

await using container = await Container.create({
  image: 'host',
  command: ['sleep', 'infinity'],
  user: 'nobody',
  tmpfs: { '/box': 'mode=1777' },
});
await container.start();

// Text becomes a file of the container's user.
await container.copyTo('/box/input.txt', 'b\na\nc\n');
await container.exec(['sh', '-c', 'sort /box/input.txt > /box/sorted.txt']);

// A tree of this machine.
await container.copyTo('/box/examples', { source: new URL('./support', import.meta.url).pathname });

// Out again as a tar, here straight into GNU tar, which lists it.
const list = spawn('tar', ['-t', '-f', '-'], { stdio: ['pipe', 'inherit', 'inherit'] });
(await container.copyFrom('/box', { maxBytes: '10m' })).pipe(list.stdin);
await once(list, 'close');

// From one container into another.
await using other = await Container.create({ image: 'host', command: ['cat', '/tmp/sorted.txt'] });
await other.copyTo('/tmp', await container.copyFrom('/box/sorted.txt'));
await other.start();
console.log((await other.wait()).stdout.split('\n').join(' '));
