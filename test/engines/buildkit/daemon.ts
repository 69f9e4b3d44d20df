import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { until } from '../../fixtures/until.js';

/** The root folder with Debian's engines in it, which have their own namespaces there (test/engines/in-root). */
export function enginesRoot(...programs: readonly string[]): string {
  const root = process.env.NACELLE_ENGINES_ROOT ?? '';
  const missing = programs.filter((program) => !existsSync(join(root, program)));
  if (root === '' || missing.length > 0)
    throw new Error(`NACELLE_ENGINES_ROOT names no root folder with ${programs.join(' and ')}: see CONTRIBUTING.md`);
  return root;
}

const FRONTEND = 'test/dockerfile:1';

/** A dockerd, which has a BuildKit, with another reader of Dockerfiles where NACELLE_DOCKERFILE_FRONTEND has the program. It sees the folder `work` as /work. */
export class Daemon implements AsyncDisposable {
  readonly #root: string;
  readonly #process: ChildProcess;
  readonly work: string;

  private constructor(root: string, daemon: ChildProcess) {
    this.#root = root;
    this.#process = daemon;
    this.work = join(root, 'work');
  }

  static async start(): Promise<Daemon> {
    const root = enginesRoot('usr/sbin/dockerd', 'usr/bin/docker', 'bin/busybox');
    mkdirSync(join(root, 'etc/docker'), { recursive: true });
    for (const path of ['run/docker.sock', 'run/docker.pid', 'work']) rmSync(join(root, path), { recursive: true, force: true });
    const features = ['--feature', 'containerd-snapshotter=true', '--iptables=false', '--ip6tables=false', '--ip-forward=false'];
    const command = ['dockerd', ...features, '--log-level=error', '-H', 'unix:///run/docker.sock'];
    const daemon = new Daemon(
      root,
      spawn(join(import.meta.dirname, '../in-root'), [root, ...command], { stdio: ['pipe', 'ignore', 'ignore'] }),
    );
    try {
      await until('dockerd answers', () => daemon.#answers());
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      throw error;
    }
    mkdirSync(daemon.work);
    daemon.#takeFrontend();
    return daemon;
  }

  #answers(): boolean {
    if (this.#process.exitCode !== null) throw new Error(`dockerd has ended with ${this.#process.exitCode}`);
    try {
      this.docker(['version']);
      return true;
    } catch {
      // nobody listens yet
      return false;
    }
  }

  docker(args: readonly string[], input?: Buffer): string {
    const variables = ['HOME=/root', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'DOCKER_HOST=unix:///run/docker.sock'];
    return execFileSync('chroot', [this.#root, 'env', '-i', ...variables, 'docker', ...args], {
      encoding: 'utf8',
      stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
      ...(input ? { input } : {}),
    });
  }

  #takeFrontend(): void {
    const program = process.env.NACELLE_DOCKERFILE_FRONTEND;
    if (program === undefined) return;
    const tar = execFileSync('tar', ['-C', dirname(program), '-c', basename(program)], { maxBuffer: 1 << 28 });
    const changes = [`ENTRYPOINT ["/${basename(program)}"]`, 'LABEL moby.buildkit.frontend.caps=moby.buildkit.frontend.inputs'];
    this.docker(['import', ...changes.flatMap((change) => ['--change', change]), '-', FRONTEND], tar);
  }

  /** Builds what is in /work/context, without a network and a cache, and writes an OCI archive to a file in its folder. */
  build(flags: readonly string[], archive: string): void {
    const frontend = process.env.NACELLE_DOCKERFILE_FRONTEND === undefined ? [] : [`--build-arg=BUILDKIT_SYNTAX=${FRONTEND}`];
    const output = ['--no-cache', '--network=none', '--provenance=false', '--output', `type=oci,dest=/work/${archive}`];
    this.docker(['build', ...output, ...frontend, ...flags, '/work/context']);
  }

  /** A tar of busybox with all its names, a user and a group: the same base for all builders. */
  busybox(): Buffer {
    const folder = join(this.work, 'base');
    const script = [
      'mkdir -p bin etc tmp usr/bin var root dev proc sys; chmod 1777 tmp; ln -s usr/bin link',
      `cp ${join(this.#root, 'bin/busybox')} bin/; for one in $(bin/busybox --list); do [ $one = busybox ] || ln -sf busybox bin/$one; done`,
      String.raw`printf '#!/bin/sh\nexec /bin/sh "$@"\n' > bin/bash; chmod 755 bin/bash`,
      String.raw`printf 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' > etc/passwd`,
      String.raw`printf 'root:x:0:\napp:x:1001:\nweb:x:33:app\nnobody:x:65534:\n' > etc/group`,
    ];
    mkdirSync(folder, { recursive: true });
    execFileSync('sh', ['-ec', script.join('\n')], { cwd: folder });
    return execFileSync('tar', ['-C', folder, '--sort=name', '--mtime=@1000000000', '--owner=0', '--group=0', '-c', '.'], {
      maxBuffer: 1 << 28,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin?.end();
    if (this.#process.exitCode === null) await once(this.#process, 'exit');
    rmSync(this.work, { recursive: true, force: true });
  }
}
