// A container in single steps: made, started, looked at, stopped, removed.
import { Container } from 'nacelle';

// `await using` removes it at the end, whatever happens before.
await using container = await Container.create({
  image: 'host',
  name: 'example',
  command: ['sh', '-c', 'trap "echo stopping; exit 0" TERM; echo started; while :; do sleep 0.1; done'],
  memory: '64m',
});
console.log(`${container.name} (${container.id}) is ${container.state}; its process ${container.pid} waits to become the program`);

const output = container.stdout;
if (!output) throw new Error('this container was asked for pipes');
await container.start();
// Its first words: from now on it handles SIGTERM.
await new Promise<void>((resolve) => {
  output.setEncoding('utf8').once('data', (text: string) => {
    process.stdout.write(text);
    resolve();
  });
});
output.pipe(process.stdout);

const usage = await container.stats();
console.log(`${container.state}: ${usage.memoryCurrent} bytes, ${usage.cpuTimeMs.toFixed(1)} ms of CPU time`);

await using network = await container.namespace('net');
console.log(`its network namespace is ${network.inode}`);

// SIGTERM, and SIGKILL if that has not helped after two seconds.
const result = await container.stop({ timeout: 2_000 });
console.log(`${container.state}: ${result.status}, exit code ${result.exitCode}`);
