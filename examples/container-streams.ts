// A conversation with a program, then data through a program, with back-pressure all the way.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Container } from 'nacelle';

// Pipes in both directions, line by line.
await using echo = await Container.create({
  image: 'host',
  command: ['sh', '-c', 'while read -r line; do echo "you said: $line"; done; echo bye'],
  stdin: 'pipe',
});
const { stdin, stdout } = echo;
if (!stdin || !stdout) throw new Error('this container was asked for pipes');
await echo.start();
const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
for (const word of ['one', 'two']) {
  stdin.write(`${word}\n`);
  console.log((await lines.next()).value);
}
stdin.end();
console.log((await lines.next()).value);
await echo.wait();

// A stream as input; what comes out goes to the result and to this process's own output.
const result = await Container.run({
  image: 'host',
  command: ['sh', '-c', 'tr a-z A-Z | head -n 3'],
  input: createReadStream('/etc/services'),
  stdout: ['pipe', 'inherit'],
});
console.log(`${result.stdout.length} letters`);
