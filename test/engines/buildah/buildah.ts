import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { writeContainersConf } from '../containers-conf.js';
import { enginesRoot } from '../engines-root.js';

/** Debian's buildah, each call in namespaces of its own, without a network. It sees the daemon's folder as /work. */
export class Buildah {
  readonly #root = enginesRoot('usr/bin/buildah');

  /** @param archive an OCI archive in the daemon's folder */
  constructor(archive: string, names: readonly string[]) {
    writeContainersConf(this.#root);
    this.#run(`id=$(buildah pull -q oci-archive:/work/${archive}); for name in ${names.join(' ')}; do buildah tag $id $name; done`);
  }

  /** Builds what is in /work/context, and writes an OCI archive to `archive` in the daemon's folder. */
  build(flags: readonly string[], archive: string): void {
    const options = '--isolation chroot --layers --no-cache --identity-label=false --pull=never --format oci -q --iidfile /tmp/id';
    this.#run(`buildah bud ${options} "$@" /work/context; buildah push -q "$(cat /tmp/id)" oci-archive:/work/${archive}`, flags);
  }

  #run(script: string, args: readonly string[] = []): void {
    const command = ['sh', '-ec', script, 'sh', ...args];
    const variables = ['env', '-i', 'HOME=/root', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'];
    const { status, stderr } = spawnSync(join(import.meta.dirname, '../in-root'), [this.#root, ...variables, ...command], {
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    if (status !== 0) throw new Error(stderr);
  }
}
