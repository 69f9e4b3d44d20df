import { readFileSync, type Stats, statSync } from 'node:fs';
import { mountChanges } from '../../host/kernel-changes.js';
import { isWithin, parseMountInfo } from '../../host/mountinfo.js';
import { attempt } from '../../native/system-errors.js';

/** Files whose contents are copied when a container is planned. */
const COPIED = ['/etc/resolv.conf', '/etc/hosts'];

const OR_NOTHING = { throwIfNoEntry: false } as const;

/** `undefined`: nothing is there. @throws SyscallError */
function look(path: string): Stats | undefined {
  return attempt(`look at ${path}`, () => statSync(path, OR_NOTHING));
}

/** What of the host a container shows by paths: whoever is made later may have another file there, or another mount. */
export class ShownSources {
  readonly #paths: readonly string[];
  readonly #files: Files;
  readonly #mounts: string;
  /** The count of changes for which the mounts are known to be these. */
  #looked: number;

  constructor(paths: readonly string[]) {
    this.#paths = paths;
    this.#looked = this.#countChanges();
    this.#mounts = this.#lookAtMounts();
    this.#files = this.#lookAtFiles();
  }

  isCurrent(): boolean {
    const count = this.#countChanges();
    if (count !== this.#looked && this.#lookAtMounts() !== this.#mounts) return false;
    this.#looked = count;
    return this.#areFilesAsSeen();
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

  #lookAtFiles(): Files {
    return { shown: this.#paths.map(look), copied: COPIED.map(look) };
  }

  #areFilesAsSeen(): boolean {
    const { shown, copied } = this.#files;
    return (
      this.#paths.every((path, i) => isSameFile(shown[i], look(path))) && COPIED.every((path, i) => hasSameText(copied[i], look(path)))
    );
  }
}

/** What was at each path; `undefined`: nothing. */
interface Files {
  readonly shown: readonly (Stats | undefined)[];
  readonly copied: readonly (Stats | undefined)[];
}

function isSameFile(before: Stats | undefined, now: Stats | undefined): boolean {
  return before?.ino === now?.ino && before?.dev === now?.dev;
}

function hasSameText(before: Stats | undefined, now: Stats | undefined): boolean {
  return isSameFile(before, now) && before?.mtimeMs === now?.mtimeMs && before?.size === now?.size;
}
