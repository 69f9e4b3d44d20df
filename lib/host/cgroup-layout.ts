/** One tree of control groups as this process sees it. */
export interface Hierarchy {
  readonly version: 1 | 2;
  readonly mountPoint: string;
  /** This process's own group, an absolute folder; `null` where the mount doesn't show it. */
  readonly ownPath: string | null;
  readonly readOnly: boolean;
  /** On v1 those that are mounted together; on v2 those that this process's group may hand on. */
  readonly controllers: readonly string[];
}

/** Which versions of cgroups have controllers here: 'hybrid' has both. */
export type CgroupMode = 'v1' | 'v2' | 'hybrid';

/** Which controllers this machine has, and where (cgroups(7)). */
export interface CgroupLayout {
  readonly mode: CgroupMode;
  /** Hierarchies by the kernel's name of a controller. A controller is in one hierarchy at a time, v1 or v2. */
  readonly controllers: ReadonlyMap<string, Hierarchy>;
  readonly unified: Hierarchy | null;
}

interface CgroupMount {
  readonly type: 'cgroup' | 'cgroup2';
  readonly root: string;
  readonly mountPoint: string;
  readonly readOnly: boolean;
  readonly options: readonly string[];
}

interface Membership {
  /** v1: controllers, or `name=…`. v2: empty. */
  readonly names: readonly string[];
  readonly path: string;
}

/**
 * Reads the layout out of the kernel's texts.
 *
 * @param mountinfo /proc/self/mountinfo
 * @param membership /proc/self/cgroup
 * @param unifiedControllers gives the text of cgroup.controllers of a folder; asked for the unified tree alone
 */
export function parseCgroupLayout(mountinfo: string, membership: string, unifiedControllers: (folder: string) => string): CgroupLayout {
  const mounts = cgroupMounts(mountinfo);
  const memberships = parseMembership(membership);
  const controllers = new Map<string, Hierarchy>();

  for (const { names, path } of memberships) {
    const named = names.some((name) => name.startsWith('name='));
    if (names.length === 0 || named) continue;
    const hierarchy = locate(
      mounts.filter((mount) => mount.type === 'cgroup' && names.every((name) => mount.options.includes(name))),
      path,
      1,
      names,
    );
    if (hierarchy) for (const name of names) controllers.set(name, hierarchy);
  }

  const unifiedPath = memberships.find(({ names }) => names.length === 0)?.path;
  const found =
    unifiedPath === undefined
      ? null
      : locate(
          mounts.filter((mount) => mount.type === 'cgroup2'),
          unifiedPath,
          2,
          [],
        );
  const hasV1 = controllers.size > 0;
  if (!found) return { mode: 'v1', controllers, unified: null };
  const unified: Hierarchy = { ...found, controllers: words(unifiedControllers(found.ownPath ?? found.mountPoint)) };
  for (const name of unified.controllers) controllers.set(name, unified);
  return { mode: hasV1 ? 'hybrid' : 'v2', controllers, unified };
}

/** The layout as it is below another group of the unified tree, with the controllers that this group may hand on. */
export function withUnifiedControllers(layout: CgroupLayout, text: string): CgroupLayout {
  if (!layout.unified) return layout;
  const unified: Hierarchy = { ...layout.unified, controllers: words(text) };
  const v1 = [...layout.controllers].filter(([, { version }]) => version === 1);
  return { ...layout, unified, controllers: new Map([...v1, ...unified.controllers.map((name) => [name, unified] as const)]) };
}

/** The mount that shows this process's group; where none does, the last one, which covers the others. */
function locate(mounts: readonly CgroupMount[], path: string, version: 1 | 2, controllers: readonly string[]): Hierarchy | null {
  const places = mounts.map((mount) => ({ mount, ownPath: below(mount, path) }));
  const place =
    places.find(({ ownPath, mount }) => ownPath !== null && !mount.readOnly) ??
    places.find(({ ownPath }) => ownPath !== null) ??
    places.at(-1);
  if (!place) return null;
  const { mount, ownPath } = place;
  return { version, mountPoint: mount.mountPoint, ownPath, readOnly: mount.readOnly, controllers };
}

/**
 * A group's folder below a mount. Both paths are told relative to this process's cgroup namespace: a mount
 * of something above the namespace has a root such as '/../..', below which our own names are unknown.
 */
function below(mount: CgroupMount, path: string): string | null {
  if (path.split('/').includes('..')) return null;
  if (mount.root === path || mount.root === '/') return join(mount.mountPoint, path.slice(mount.root === '/' ? 0 : mount.root.length));
  return path.startsWith(`${mount.root}/`) ? join(mount.mountPoint, path.slice(mount.root.length)) : null;
}

function join(folder: string, path: string): string {
  return path === '' || path === '/' ? folder : `${folder === '/' ? '' : folder}${path}`;
}

/** proc_pid_mountinfo(5): optional fields end at a lone '-'; white space and '\' are octal. */
function cgroupMounts(mountinfo: string): CgroupMount[] {
  return mountinfo.split('\n').flatMap((line): CgroupMount[] => {
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    const [root, mountPoint, options] = fields.slice(3, 6);
    const [type, , superOptions] = fields.slice(dash + 1);
    if (dash < 0 || root === undefined || mountPoint === undefined || options === undefined) return [];
    if (type !== 'cgroup' && type !== 'cgroup2') return [];
    const all = superOptions?.split(',') ?? [];
    return [
      {
        type,
        root: unescapePath(root),
        mountPoint: unescapePath(mountPoint),
        readOnly: options.split(',').includes('ro') || all.includes('ro'),
        options: all,
      },
    ];
  });
}

/** proc_pid_cgroup(5): id:controllers:path. A path may contain ':'. */
function parseMembership(text: string): Membership[] {
  return text.split('\n').flatMap((line): Membership[] => {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (!match) return [];
    const [, names = '', path = '/'] = match;
    // The kernel puts this mark behind the name of a group that was removed under its process.
    return [{ names: names === '' ? [] : names.split(','), path: path.replace(/ \(deleted\)$/, '') }];
  });
}

function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
