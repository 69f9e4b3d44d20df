import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { enginesRoot } from '../buildkit/daemon.js';

/** There is no right to more files here than a process has. */
const CONTAINERS = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n';
const POLICY = '{ "default": [{ "type": "insecureAcceptAnything" }] }';
const STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "/work/buildah"\nrunroot = "/tmp/buildah"\n';

/** Debian's buildah, each call in namespaces of its own, without a network. It sees the daemon's folder as /work. */
export class Buildah {
  readonly #root = enginesRoot('usr/bin/buildah');

  /** @param archive an OCI archive in the daemon's folder */
  constructor(archive: string, names: readonly string[]) {
    mkdirSync(join(this.#root, 'etc/containers'), { recursive: true });
    for (const [name, text] of Object.entries({ 'containers.conf': CONTAINERS, 'policy.json': POLICY, 'storage.conf': STORAGE }))
      writeFileSync(join(this.#root, 'etc/containers', name), text);
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
