// A service that outlives the program that started it, and is found again by the next one.
import { Container } from 'nacelle';

const name = `nacelle-example-${process.pid}`;
{
  await using service = await Container.create({
    image: 'host',
    detach: true,
    name,
    labels: { purpose: 'example' },
    stdin: 'pipe',
    command: ['sh', '-c', 'echo ready; while read line; do echo "heard $line"; done; exit 3'],
    logging: { maxSize: '1m', maxFiles: 2 },
  });
  await service.start();
  // Here this program could end, by whatever death: the handle is closed, and the container goes on.
}

// Another program finds it by its name, its id, or a label.
const [info] = await Container.list({ labels: { purpose: 'example' }, name });
console.log(`${info?.name} is ${info?.state}`);
const service = await Container.attach(name);

service.stdin?.write('hello\n');
console.log((await service.exec(['cat', '/proc/1/comm'])).stdout.trim(), 'is its first process');
service.stdin?.end('goodbye\n');

// Whoever waits gets the same result, also long after the end.
const result = await service.wait();
console.log(`${result.status} ${result.exitCode}: ${JSON.stringify(result.stdout)}`);
for await (const { stream, data } of service.logs({ tail: 1 })) console.log(`${stream}: ${String(data).trim()}`);

await service.remove();

// A shell at a terminal that outlives this program: whoever attaches types at it, and sees what it shows.
const shell = await Container.create({ image: 'host', detach: true, tty: true, command: ['sh'], env: { PS1: '$ ' } });
await shell.start();
await using other = await Container.attach(shell.id);
await other.resize({ columns: 132, rows: 43 });
other.stdin?.write('stty size; exit\n');
console.log(JSON.stringify((await other.wait()).stdout));
await shell.remove();
