import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** There is no right to more files here than a process has. */
const CONTAINERS = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n';
const POLICY = '{ "default": [{ "type": "insecureAcceptAnything" }] }';
const STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "/work/containers"\nrunroot = "/tmp/containers"\n';

/** Writes the settings of podman and buildah in a root folder: their images are in /work. */
export function writeContainersConf(root: string): void {
  const folder = join(root, 'etc/containers');
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries({ 'containers.conf': CONTAINERS, 'policy.json': POLICY, 'storage.conf': STORAGE }))
    writeFileSync(join(folder, name), text);
}
