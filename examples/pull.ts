// Registries. With a name it pulls that image, and shows how far each layer is:
//   node --import tsx examples/pull.ts docker.io/library/debian:12
// Without one it does all that can be done with an image, at a registry of its own on this machine: pull, run, commit, push, prune, and
// pull again by digest. That needs the Debian packages docker-registry and mmdebstrap.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Container, Image } from 'nacelle';
import { showProgress } from './support/progress.js';
import { startRegistry } from './support/registry.js';

async function pull(reference: string): Promise<Image> {
  const { onProgress, stop } = showProgress();
  const image = await Image.pull(reference, { onProgress }).finally(stop);
  console.log(`pulled ${image.reference}: ${image.layers.length} layers, ${image.size} bytes, ${image.digest}`);
  return image;
}

/** A small Debian at the registry, made of this machine's package sources. */
async function publishDebian(name: string): Promise<void> {
  const sources = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'].find((path) => existsSync(path)) ?? '-';
  const release = spawnSync('sh', ['-c', '. /etc/os-release; echo $VERSION_CODENAME'], { encoding: 'utf8' }).stdout.trim();
  const excluded = '--dpkgopt=path-exclude=/usr/share/{doc,man,locale}/*';
  const debootstrap = spawn('mmdebstrap', ['--quiet', '--variant=apt', excluded, release, '-', sources], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [root] = await Image.load(debootstrap.stdout);
  await root?.push(name);
  await root?.remove();
}

async function wholeFlow(host: string): Promise<void> {
  await publishDebian(`${host}/library/debian:base`);

  const debian = await pull(`${host}/library/debian:base`);
  await using container = await Container.create({
    image: debian,
    command: ['perl', '-e', 'open F, ">/opt/answer" or die; print F 6 * 7; unlink "/etc/motd"'],
  });
  await container.start();
  console.log(`ran: ${(await container.wait()).reason}`);
  for await (const { kind, path, type } of container.changes()) console.log(`  ${kind} ${path} (${type})`);

  const committed = await Image.commit(container, { reference: `${host}/team/answer:1`, config: { cmd: ['cat', '/opt/answer'] } });
  await container.remove();
  const pushing = showProgress();
  const { digest } = await committed.push(`${host}/team/answer:1`, { onProgress: pushing.onProgress }).finally(pushing.stop);
  console.log(`pushed ${committed.reference}: ${digest}`);

  for (const image of [committed, debian]) await image.remove();
  await Image.prune();
  console.log(`left in the store: ${(await Image.list()).length} images`);

  const again = await pull(`${host}/team/answer@${digest}`);
  const { stdout } = await Container.run({ image: again });
  console.log(`it says ${stdout}`);
  if (stdout !== '42' || again.digest !== digest) throw new Error('this is not what was pushed');
}

const [, , reference] = process.argv;
if (reference !== undefined) {
  await pull(reference);
} else {
  const folder = mkdtempSync(join(tmpdir(), 'pull-example-'));
  // a store of its own, so that this machine's is left alone
  process.env.NACELLE_ROOT = join(folder, 'store');
  const registry = await startRegistry(join(folder, 'registry'));
  try {
    if (registry && !spawnSync('mmdebstrap', ['--version']).error) await wholeFlow(registry.host);
    else console.log('This needs the Debian packages docker-registry and mmdebstrap.');
  } finally {
    await registry?.stop();
    rmSync(folder, { recursive: true });
  }
}
