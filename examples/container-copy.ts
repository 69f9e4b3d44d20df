// Copies a script in, runs it as somebody else without a network, and copies its result out. The folder is made for him.
import { Container } from 'nacelle';

const script = `#!/bin/sh
sort --numeric-sort < /tmp/work/numbers > /tmp/work/sorted
ln -s /etc/passwd /tmp/work/link
echo "sorted as $(id -un)"
`;

const result = await Container.run({
  image: 'host',
  command: ['/tmp/work/sort.sh'],
  user: 'nobody',
  cwd: '/tmp/work',
  copyIn: {
    '/tmp/work/sort.sh': { content: script, mode: 0o755 },
    '/tmp/work/numbers': '30\n4\n100\n',
  },
  copyOut: ['/tmp/work/sorted', '/tmp/work/link', '/tmp/work/not-made'],
  // A failed program is an error: the result is in it.
  reject: true,
});

process.stdout.write(result.stdout);
for (const [path, bytes] of Object.entries(result.files))
  console.log(`${path}: ${Buffer.from(bytes).toString().trim().split('\n').join(', ')}`);
for (const { path, reason } of result.notCopied) console.log(`${path} stays there: ${reason}`);
