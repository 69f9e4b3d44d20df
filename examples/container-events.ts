import { Container } from 'nacelle';

/** Tells what happens to the containers of an application, whichever program makes them: here a short job, which this one makes. */
const labels = { app: `example-${process.pid}` };
const watching = (async () => {
  for await (const event of Container.events({ labels })) {
    if (event.type === 'exec_start') console.log(event.type, event.command.join(' '));
    else if (event.type === 'die') console.log(event.type, event.exitCode);
    else console.log(event.type);
    if (event.type === 'destroy') return;
  }
})();

const job = await Container.create({ image: 'host', detach: true, labels, stdin: 'pipe', command: ['sh', '-c', 'read line; exit 3'] });
await job.start();
await job.exec(['hostname']);
await job.pause();
await job.resume();
job.stdin?.end('go on\n');
await job.wait();
await job.remove();
await watching;
