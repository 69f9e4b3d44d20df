// Runs on a network in containers that were made before: each has an address and a name of its own already, and finds the others by name.
import './support/own-network.js';
import { Container, Network } from 'nacelle';

const COUNT = 8;
const AT_ONCE = 2;

const network = await Network.create(`jobs-${process.pid}`, { internal: true });
try {
  // gives each that asks the next number; whoever only looks whether somebody listens may be gone before the answer
  const script = `let next = 0;
    require('node:net').createServer((socket) => socket.on('error', () => {}).end(String(next++))).listen(7000)`;
  await using queue = await Container.create({ image: 'host', command: [process.execPath, '-e', script], name: 'queue', network });
  await queue.start();
  await queue.waitFor({ port: 7000 });

  const worker = `
    const [{ address }] = require('node:os').networkInterfaces().eth0;
    const socket = require('node:net').connect(7000, 'queue');
    socket.on('data', (job) => console.log(address, 'has the job', String(job)));`;
  await using workers = await Container.pool({ image: 'host', command: [process.execPath, '-e', worker], network }, { ready: AT_ONCE });
  const results = await Promise.all(Array.from({ length: COUNT }, () => workers.run()));
  for (const { stdout } of results) process.stdout.write(stdout);
  if (results.some(({ status }) => status !== 'ok')) process.exitCode = 1;
} finally {
  await network.remove();
}
