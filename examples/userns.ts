// Root that is nobody: containers in user namespaces of their own, each with ids that no other has.
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Container, UnsupportedError } from 'nacelle';

const folder = mkdtempSync(join(tmpdir(), 'nacelle-example-'));
try {
  const script = 'id -un; cat /proc/self/uid_map; touch /etc/new && ls -ln /etc/new; chown 0 /of-the-host 2>&1; true';
  writeFileSync(join(folder, 'file'), 'of the host\n');
  const bind = { type: 'bind', source: join(folder, 'file'), target: '/of-the-host' } as const;
  const result = await Container.run({ image: 'host', userns: 'auto', command: ['sh', '-c', script], mounts: [bind], reject: true });
  process.stdout.write(result.stdout);

  // Two at a time share no id. On the host their processes belong to nobody.
  const sleeper = { image: 'host', userns: 'auto', command: ['sleep', '60'] } as const;
  await using one = await Container.create(sleeper);
  await using two = await Container.create(sleeper);
  const owners = [one, two].map(({ pid }) => statSync(`/proc/${pid}`).uid);
  console.log(`root of the one is ${owners[0]} outside, of the other ${owners[1]}`);
  if (owners[0] === owners[1]) process.exitCode = 1;
} catch (error) {
  // An image on an overlay, as in docker, has owners that can't be mapped.
  if (!(error instanceof UnsupportedError)) throw error;
  console.log(error.message);
} finally {
  rmSync(folder, { recursive: true });
}
