import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { until } from '../../fixtures/until.js';
import { busyboxTar } from '../busybox-tar.js';
import { enginesRoot } from '../engines-root.js';

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

  busybox(): Buffer {
    return busyboxTar(join(this.#root, 'bin/busybox'), join(this.work, 'base'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin?.end();
    if (this.#process.exitCode === null) await once(this.#process, 'exit');
    rmSync(this.work, { recursive: true, force: true });
  }
}
