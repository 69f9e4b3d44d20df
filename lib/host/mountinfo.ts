/** A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
export interface MountInfo {
  readonly id: number;
  readonly parent: number;
  /** 'major:minor' of the file system. */
  readonly device: string;
  /** What part of the file system is mounted here: a path in it. */
  readonly root: string;
  readonly mountPoint: string;
  /** Of this mount: 'ro', 'nosuid', 'relatime', … */
  readonly options: readonly string[];
  readonly type: string;
  /** What the file system calls its source: a device, or any word. */
  readonly source: string;
}

/** Space, tab, newline, backslash and '#' are written in octal. */
function decodeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Reads mountinfo. Lines that are none are left out. */
export function parseMountInfo(text: string): MountInfo[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const separator = fields.indexOf('-', 6);
    const [id, parent, device, root, mountPoint, options] = fields;
    const [type, source] = fields.slice(separator + 1);
    if (separator < 0 || !device || !root || !mountPoint || !options || !type || source === undefined) return [];
    return [
      {
        id: Number(id),
        parent: Number(parent),
        device,
        root: decodeOctal(root),
        mountPoint: decodeOctal(mountPoint),
        options: options.split(','),
        type,
        source: decodeOctal(source),
      },
    ];
  });
}

/** Whether `path` is `folder` or lies in it. Both absolute and normal. */
export function isWithin(path: string, folder: string): boolean {
  // asked hundreds of times for each container: no text is put together for it
  return folder === '/' || (path.startsWith(folder) && (path.length === folder.length || path[folder.length] === '/'));
}

/**
 * The mounts that a path can reach, parents before children, at most one for each mount point. mountinfo lists the others too:
 * what lies under a mount on the same folder, or below a folder that was mounted over later.
 */
export function visibleMounts(mounts: readonly MountInfo[]): MountInfo[] {
  const byId = new Map(mounts.map((mount) => [mount.id, mount]));
  const parentOf = (mount: MountInfo): MountInfo | null => {
    const parent = byId.get(mount.parent);
    return parent && parent !== mount ? parent : null;
  };
  const covered = (mount: MountInfo): boolean =>
    mounts.some((child) => child !== mount && parentOf(child) === mount && child.mountPoint === mount.mountPoint);
  const hides = (sibling: MountInfo, mount: MountInfo, parent: MountInfo | null): boolean =>
    sibling !== mount &&
    parentOf(sibling) === parent &&
    ((sibling.mountPoint !== mount.mountPoint && isWithin(mount.mountPoint, sibling.mountPoint)) ||
      sibling.mountPoint === parent?.mountPoint);
  const reachable = new Map<MountInfo, boolean>();
  const isReachable = (mount: MountInfo): boolean => {
    const known = reachable.get(mount);
    if (known !== undefined) return known;
    const parent = parentOf(mount);
    reachable.set(mount, false);
    const result = !mounts.some((sibling) => hides(sibling, mount, parent)) && (parent === null || isReachable(parent));
    reachable.set(mount, result);
    return result;
  };
  const depth = (mount: MountInfo): number => (mount.mountPoint === '/' ? 0 : mount.mountPoint.split('/').length);
  return mounts
    .filter((mount) => isReachable(mount) && !covered(mount) && mount.mountPoint.startsWith('/'))
    .sort((a, b) => depth(a) - depth(b));
}
