// Copies a script in, runs it as somebody else without a network, and copies its result out.
import { Container } from 'nacelle';

const script = `#!/bin/sh
sort --numeric-sort < /work/numbers > /work/sorted
echo "sorted as $(id -un)"
`;

const result = await Container.run({
  image: 'host',
  command: ['/work/sort.sh'],
  user: 'nobody',
  cwd: '/work',
  copyIn: {
    '/work/sort.sh': { content: script, mode: 0o755 },
    '/work/numbers': '30\n4\n100\n',
    '/work/sorted': { content: '', mode: 0o666 },
  },
  copyOut: ['/work/sorted', '/work/not-made'],
  // A failed program is an error: the result is in it.
  reject: true,
});

process.stdout.write(result.stdout);
for (const [path, bytes] of Object.entries(result.files))
  console.log(`${path}: ${Buffer.from(bytes).toString().trim().split('\n').join(', ')}`);
