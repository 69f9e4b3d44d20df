// A conversation with a program, then data through a program, with back-pressure all the way.
import { createReadStream } from 'node:fs';
import { Container } from 'nacelle';

// Pipes in both directions, line by line.
const echo = Container.run({
  image: 'host',
  command: ['sh', '-c', 'while read -r line; do echo "you said: $line"; done; echo bye'],
  stdin: 'pipe',
});
const words = ['one', 'two'];
const sayNext = (): void => {
  const word = words.shift();
  if (word === undefined) echo.stdin?.end();
  else echo.stdin?.write(`${word}\n`);
};
sayNext();
for await (const line of echo) {
  console.log(line);
  sayNext();
}
// What was read is in the result all the same.
console.log(`${(await echo).stdout.length} letters`);

// A stream as input; what comes out goes to the result and to this process's own output.
const result = await Container.run({
  image: 'host',
  command: ['sh', '-c', 'tr a-z A-Z | head -n 3'],
  input: createReadStream('/etc/services'),
  stdout: ['pipe', 'inherit'],
});
console.log(`${result.stdout.length} letters`);
