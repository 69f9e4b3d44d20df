// A program at a terminal: in a container, in another size, and connected with the terminal that this runs in, when there is one.
import { Container, connectTerminal } from 'nacelle';

// What a program shows at a terminal: its streams are one, and lines end as they do there.
const { stdout } = await Container.run({
  image: 'host',
  command: ['sh', '-c', 'tty; stty size; echo "TERM is $TERM"'],
  tty: { columns: 100, rows: 30 },
});
process.stdout.write(stdout);

// `await using` removes it at the end, whatever happens before.
await using container = await Container.create({ image: 'host', command: ['sleep', '1000'] });
await container.start();

// Typed by a program: the shell's answers come with the echo of what is typed.
const shell = container.exec(['sh'], { tty: true, env: { PS1: '$ ' } });
shell.stdin?.write('stty size\n');
for await (const line of shell) {
  console.log(line);
  // the shell may show its prompt late, in front of an answer
  if (line.endsWith('24 80')) {
    await shell.resize({ columns: 132, rows: 43 });
    shell.stdin?.write('stty size\n');
  }
  if (line.endsWith('43 132')) shell.stdin?.end();
}

// Typed by you: Ctrl-P Ctrl-Q leaves it.
if (process.stdin.isTTY) {
  console.log(`the terminal has ${await connectTerminal(container.exec(['sh'], { tty: true }))}`);
}
