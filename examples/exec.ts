// A container to live in: many commands run in it, each with limits and an end of its own.
import { Container } from 'nacelle';

await using container = await Container.create({ image: 'host', command: ['sleep', 'infinity'], memory: '256m', cwd: '/tmp' });
await container.start();

// What one command leaves behind, the next one finds.
await container.exec(['sh', '-c', 'echo "print(6 * 7)" > task.txt']);
const shown = await container.exec(['cat', 'task.txt']);
console.log(`task.txt: ${shown.stdout.trim()}`);

// Another user, folder and environment.
const who = await container.exec(['sh', '-c', 'echo "$(id -u) in $(pwd), $GREETING"'], {
  user: 'nobody',
  cwd: '/',
  env: { GREETING: 'hello' },
});
console.log(who.stdout.trim());

// The time limit ends the whole tree of this command, also what it has sent into the background; the container lives on.
const slow = await container.exec(['sh', '-c', '(setsid sleep 1000 &); sleep 1000'], { timeout: 200 });
console.log(`${slow.status}: ${slow.reason}; the container is ${container.state}`);

// Memory of its own: past it, this command alone is killed.
const greedy = await container.exec(['sh', '-c', 'dd if=/dev/zero of=/dev/null bs=200M count=1'], { limits: { memory: '32m' } });
console.log(`${greedy.status}; the container is ${container.state}`);

// Lines while it runs.
for await (const line of container.exec(['seq', '3'])) console.log(`line ${line}`);

// What can't be run is an error, with the kernel's reason.
await container.exec(['no-such-program']).catch((error: Error) => console.log(error.message));
