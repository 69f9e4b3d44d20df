import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Container, Image } from 'nacelle';
import { loadBusybox } from '../../test/fixtures/busybox-image.js';
import { debianImage } from '../../test/fixtures/images.js';
import { podmanIn, runInPodman } from '../../test/fixtures/podman.js';
import { startRegistry } from '../../test/fixtures/registry.js';
import { type Case, effort } from '../case.js';
import { inFolder, requireTools } from '../folder.js';
import { subject } from '../measure.js';
import { containerOptions } from '../peers/nacelle.js';
import { pair } from './pair.js';

/** A Debian image's layer into an empty store, on the disk at the end; tar's files are too. */
export const unpack: Case = {
  name: 'unpack',
  measure: (context) =>
    inFolder(async (folder) => {
      requireTools('mmdebstrap', 'umoci', 'tar');
      const layout = await debianImage();
      const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
      const blob = (digest: string): string => join(layout, 'blobs', digest.replace(':', '/'));
      const { layers } = JSON.parse(readFileSync(blob(index.manifests[0].digest), 'utf8'));
      let count = 0;
      const ours = subject('Image', async () => {
        process.env.NACELLE_ROOT = join(folder, `store-${count++}`);
        const image = await Image.open(`oci:${layout}:debian`);
        (await image.use()).release();
      });
      const theirs = subject('tar -xzf, sync', async () => {
        const target = join(folder, `tar-${count++}`);
        mkdirSync(target);
        execFileSync('tar', ['-xzf', blob(layers[0].digest), '-C', target]);
        execFileSync('sync', ['-f', target]);
      });
      return await pair(
        { what: 'a Debian image into the store', compare: 'ratio', target: { bound: 'at most', value: 0.6 } },
        [ours, theirs],
        effort(context, { rounds: 7, batch: 1 }, { rounds: 2, batch: 1 }),
      );
    }),
};

/** From an empty store and a registry on this machine to a program's first output. */
export const pullAndRun: Case = {
  name: 'pull',
  measure: (context) =>
    inFolder(async (folder) => {
      requireTools('docker-registry', 'podman', 'runc', 'mmdebstrap', 'umoci');
      const registry = await startRegistry(folder);
      try {
        const name = `${registry.host}/debian:1`;
        await (await Image.open(`oci:${await debianImage()}:debian`)).push(name);
        let count = 0;
        const ours = subject('Container.run', async () => {
          process.env.NACELLE_ROOT = join(folder, `store-${count++}`);
          await Container.run({ image: name, command: ['true'] });
        });
        const theirs = subject('podman run', async () => {
          const podman = podmanIn(folder, 'overlay');
          podman('pull', '-q', '--tls-verify=false', name);
          await runInPodman(podman, name);
        });
        return await pair(
          {
            what: 'a Debian image from a registry to the first output, the store empty',
            compare: 'ratio',
            target: { bound: 'at most', value: 0.25 },
          },
          [ours, theirs],
          effort(context, { rounds: 5, batch: 1 }, { rounds: 2, batch: 1 }),
        );
      } finally {
        await registry.close();
      }
    }),
};

/** What finding an image in the store takes. */
export const secondRun: Case = {
  name: 'second-run',
  measure: (context) =>
    inFolder(async () => {
      const name = 'local/bench:1';
      await (await loadBusybox()).tag(name);
      const options = containerOptions(context.rootfs);
      const ours = subject('image', () => Container.run({ ...options, image: name }));
      const bare = subject('a folder', () => Container.run(options));
      return await pair(
        { what: 'Container.run, an image of the store', compare: 'difference', target: { bound: 'at most', value: 0.3 } },
        [ours, bare],
        effort(context, { rounds: 20, batch: 10, warm: 200 }, { rounds: 6, batch: 5, warm: 50 }),
      );
    }),
};
