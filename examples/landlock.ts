// Landlock: a program on this machine's own files where namespaces can't be had, as inside docker, and for any user.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Container, features } from 'nacelle';

const { landlock } = await features();
console.log(landlock.available ? `Landlock, version ${landlock.abi} of its ABI` : `no Landlock: ${landlock.reason}. ${landlock.fix}`);

if (landlock.available) {
  const work = await mkdtemp(join(tmpdir(), 'nacelle-example-'));
  try {
    await writeFile(join(work, 'numbers'), '3\n1\n2\n');
    // root's program is nobody, who must be able to come here; another user's runs as that user
    const user = process.geteuid?.() === 0 ? { user: 'root' } : {};

    // a path has the same name inside and outside, for nothing is mounted
    const sorted = await Container.run({
      isolation: 'landlock',
      command: ['sh', '-c', 'sort numbers > sorted; cat sorted; cat /etc/shadow; ls /root; echo > /etc/new'],
      cwd: work,
      volumes: [`${work}:${work}`],
      ...user,
    });
    process.stdout.write(sorted.stdout);
    process.stdout.write(`what no rule allows:\n${sorted.stderr}`);
    console.log(`the file is here: ${JSON.stringify(await readFile(join(work, 'sorted'), 'utf8'))}`);

    // it says what it does not give
    for (const { feature, reason } of sorted.notEnforced) console.log(`  ${feature}: ${reason}`);

    // an option that needs a namespace is refused, not left out
    await Container.run({ isolation: 'landlock', command: ['true'], hostname: 'sandbox' }).catch((error: unknown) =>
      console.log(String(error)),
    );
  } finally {
    await rm(work, { recursive: true });
  }
}
