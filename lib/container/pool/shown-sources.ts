import { readFileSync, statSync } from 'node:fs';
import { mountChanges } from '../../host/kernel-changes.js';
import { isWithin, parseMountInfo } from '../../host/mountinfo.js';
import { type KnownFiles, knownFiles, type SeenFile } from '../../native/seen-files.js';
import { attempt } from '../../native/system-errors.js';

/** Files whose contents are copied when a container is planned. */
const COPIED = ['/etc/resolv.conf', '/etc/hosts'];

/** @throws SyscallError */
function look(path: string, by: SeenFile['by']): SeenFile {
  const status = attempt(`look at ${path}`, () => statSync(path, { throwIfNoEntry: false, bigint: true }));
  return { path, follows: true, status, by };
}

/** What of the host a container shows by paths: whoever is made later may have another file there, or another mount. */
export class ShownSources {
  readonly #paths: readonly string[];
  readonly #files: KnownFiles;
  readonly #mounts: string;
  /** The count of changes for which the mounts are known to be these. */
  #looked: number;

  constructor(paths: readonly string[]) {
    this.#paths = paths;
    this.#looked = this.#countChanges();
    this.#mounts = this.#lookAtMounts();
    this.#files = knownFiles([...paths.map((path) => look(path, 'file')), ...COPIED.map((path) => look(path, 'content'))]);
  }

  isCurrent(): boolean {
    const count = this.#countChanges();
    if (count !== this.#looked && this.#lookAtMounts() !== this.#mounts) return false;
    this.#looked = count;
    return this.#files.areAsSeen();
  }

  #countChanges(): number {
    return this.#paths.length === 0 ? 0 : mountChanges();
  }

  /** Those on the way to the paths and below them: what others mount elsewhere is nothing to them. */
  #lookAtMounts(): string {
    if (this.#paths.length === 0) return '';
    const mounts = parseMountInfo(attempt('look at the mounts', () => readFileSync('/proc/self/mountinfo', 'utf8')));
    const isMeant = (at: string): boolean => this.#paths.some((path) => isWithin(at, path) || isWithin(path, at));
    return mounts.flatMap(({ id, root, mountPoint }) => (isMeant(mountPoint) ? [`${id} ${root} ${mountPoint}`] : [])).join('\n');
  }
}
