// Bundles of OCI: a container as a folder with a config.json, which runc, crun and others run, and a config.json as options.
// Needs busybox, a program without libraries.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Container, Image } from 'nacelle';

const folder = mkdtempSync(join(tmpdir(), 'bundle-example-'));
try {
  const root = join(folder, 'root');
  mkdirSync(join(root, 'bin'), { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin', 'busybox'));
  symlinkSync('busybox', join(root, 'bin', 'sh'));

  // A container as a bundle: the files of its image are copied into it.
  const bundle = join(folder, 'bundle');
  {
    await using container = await Container.create({
      image: await Image.fromDirectory(root),
      command: ['sh', '-c', 'echo "$GREETING from $(busybox hostname), uid $(busybox id -u)"'],
      env: { GREETING: 'hello' },
      hostname: 'bundled',
      user: '1000:1000',
      timeout: 10_000,
    });
    const { left } = await container.toBundle(bundle);
    console.log('what config.json has no words for:', left.join(', '));
  }
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
  console.log('runtime-spec', config.ociVersion, 'with', config.linux.seccomp.syscalls.length, 'rules of system calls');

  // The same bundle as options: runc run --bundle FOLDER prints the same.
  const result = await Container.run(await Container.fromBundle(bundle));
  console.log(result.stdout);

  // What options can't say is refused by its path.
  writeFileSync(join(bundle, 'config.json'), JSON.stringify({ ...config, hooks: { poststop: [{ path: '/bin/true' }] } }));
  await Container.fromBundle(bundle).catch((error: Error) => console.log(error.message));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
