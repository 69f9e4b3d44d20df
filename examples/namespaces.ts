// Namespaces by hand: made, joined in any mix, pinned for `ip netns`, listed.
import { Namespace } from 'nacelle';

const { net, uts, pid } = await Namespace.create(['net', 'uts', 'pid'], { hostname: 'inside' });
try {
  const script = 'hostname; echo "process $$"; cat /proc/net/dev | tail -n +3';
  for (const round of ['first', 'second']) {
    const result = await net.run(['sh', '-c', script], { with: [uts, pid] });
    process.stdout.write(`${round} program:\n${result.stdout}`);
    if (result.failed) process.exitCode = 1;
  }

  // Node itself stays where it was.
  await using own = await Namespace.of('self', 'net');
  console.log(`Node is in net:[${own.inode}], the programs were in net:[${net.inode}]`);

  const path = `/run/netns/nacelle-example-${process.pid}`;
  await net.pin(path);
  try {
    await using again = await Namespace.open(path);
    console.log(`pinned on ${path}: ${again.inode === net.inode ? 'the same one' : 'another one'}`);
  } finally {
    await Namespace.unpin(path);
  }

  for (const { inode, type, processes, pid: first, command } of await Namespace.list({ type: 'net' })) {
    console.log(`${type}:[${inode}] ${processes} processes, first ${first} ${command}`);
  }
} finally {
  for (const namespace of [net, uts, pid]) await namespace.close();
}
