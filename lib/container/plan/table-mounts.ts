import { dirname } from 'node:path/posix';
import { NacelleError } from '../../errors.js';
import { isWithin } from '../../host/mountinfo.js';
import { CREATE, O_PATH } from '../../plan/constants.js';
import { ANYWHERE, NONE } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import { callersNodes, nodesIn } from './device-nodes.js';
import { groundOf, type Place } from './ground.js';
import { DEV, type MountRow, NULL, PROC, pathIn, SYS } from './mount-table.js';
import type { HeadInput, PlanInput } from './plan-input.js';

/** The mounts of the table. */
export interface TablePlan {
  /** Steps that read nothing of the host. */
  readonly make: readonly Step[];
  /** Steps that take what is bound of the host, while its paths can be seen. */
  readonly open: readonly Step[];
  /** The null device in the container's own /dev. */
  readonly nullDevice: Slot;
  /** The mount at a target of the table. @throws NacelleError when the table has none there */
  at(target: string): Slot;
  /** Attaches the mounts when there is a root. The root is the first of `places`; the others lie on it. */
  attach(root: Slot): { readonly steps: readonly Step[]; readonly places: readonly Place[] };
}

/** A row, and the mount that is made of it. */
interface Mounted {
  readonly row: MountRow;
  readonly slot: Slot;
  /** The mount that it lies on; `undefined`: the root. */
  readonly on: Mounted | undefined;
}

export function planTable(input: HeadInput): TablePlan {
  const { slots, table, proc } = input;
  const mounts: Mounted[] = [];
  for (const row of table.mounts) {
    const slot = row.type === 'proc' && proc !== null ? slots.give(proc) : slots.take();
    mounts.push({ row, slot, on: mounts.findLast((before) => isWithin(row.target, before.row.target)) });
  }
  const nullDevice = slots.take();
  return {
    nullDevice,
    make: mounts.flatMap((mount) => makeSteps(mount, input, nullDevice)),
    open: mounts.flatMap(openSteps),
    at: (target) => {
      const found = mounts.find(({ row }) => row.target === target);
      if (found === undefined) throw new NacelleError(`the table of mounts has none at ${target}`, { code: 'ERR_INTERNAL' });
      return found.slot;
    },
    attach: (root) => attachAll(mounts, root, { devices: input.devices, nullDevice }),
  };
}

function makeSteps({ row, slot: out }: Mounted, { slots, options, proc }: HeadInput, nullDevice: Slot): Step[] {
  if (row.type === 'bind') return [];
  const { target: folder, attributes } = row;
  if (row.type === 'proc') {
    const { pid } = options.namespaces;
    return proc === null ? [{ op: 'proc', out, pidns: typeof pid === 'string' ? NONE : slots.give(pid.fd), attributes }] : [];
  }
  const { devices = [], links = [] } = row;
  return [
    { op: 'filesystem', out, type: row.type, options: row.options, attributes },
    ...nodesIn({ folder, mount: out }, devices, options),
    ...links.map(({ path, target }): Step => ({ op: 'symlink', root: out, path: pathIn(folder, path), target })),
    ...(folder === DEV && devices.length > 0 ? [openNull(nullDevice, out)] : []),
  ];
}

function openNull(out: Slot, dev: Slot): Step {
  return { op: 'open_in_root', out, root: dev, path: pathIn(DEV, NULL), flags: O_PATH };
}

function openSteps({ row, slot }: Mounted): Step[] {
  if (row.type !== 'bind') return [];
  const { source: path, attributes, recursive = false } = row;
  return bindSteps(slot, { at: NONE, path, attributes, recursive });
}

/** Attaches one mount after the other to the root. Each has the mounts that lie on it already, so it is never seen without them. */
function attachAll(
  mounts: readonly Mounted[],
  root: Slot,
  { devices, nullDevice }: { devices: PlanInput['devices']; nullDevice: Slot },
): ReturnType<TablePlan['attach']> {
  const places: Place[] = [{ path: '/', mount: root }];
  const steps: Step[] = [];
  for (const lowest of mounts) {
    if (lowest.on !== undefined) continue;
    const tree = mounts.filter((mount) => lowestOf(mount) === lowest);
    steps.push(...tree.flatMap((mount) => fillSteps(mount, devices)), ...tree.map((mount) => attachStep(mount, root, places)));
    const { target: path } = lowest.row;
    places.push({ path, mount: lowest.slot, ...(path === PROC || path === SYS ? { kernels: true } : {}) });
    // where the node is bound, it is there only now
    if (tree.some(({ row }) => row.target === NULL)) steps.push(openNull(nullDevice, lowest.slot));
  }
  return { steps, places };
}

function lowestOf(mount: Mounted): Mounted {
  return mount.on === undefined ? mount : lowestOf(mount.on);
}

/** Steps for what is made only when there is a root. */
function fillSteps({ row, slot }: Mounted, devices: PlanInput['devices']): Step[] {
  return row.target === DEV ? callersNodes(devices, slot) : [];
}

function attachStep({ row: { target, create }, slot: mount, on }: Mounted, root: Slot, places: readonly Place[]): Step {
  if (on !== undefined) return { op: 'attach', mount, root: on.slot, path: pathIn(on.row.target, target), create, ...ANYWHERE };
  // a path directly below '/' at which a link is refused can't lead elsewhere
  const ground = dirname(target) === '/' && (create & CREATE.noLink) !== 0 ? ANYWHERE : groundOf(places, target);
  return { op: 'attach', mount, root, path: target, create, ...ground };
}

const { RDONLY, NOSUID, NODEV, NOEXEC } = MOUNT_ATTR;

/** Steps for the files of the table, and of the options: written to the staging folder, and bound over the image's, which stay as they are. */
export function planFiles(
  { slots, table, options }: Pick<PlanInput, 'slots' | 'table' | 'options'>,
  { root, staging, places }: { root: Slot; staging: Slot; places: readonly Place[] },
): Step[] {
  const usual = table.files.map(({ target, content, attributes }) => ({
    ...{ path: pathIn('', target), target, bytes: Buffer.from(content), attributes },
    ...{ mode: 0o644, uid: 0, gid: 0 },
  }));
  // whatever their targets are, no two of them meet in the staging folder, and none meets what else is there
  const own = options.files.map(({ content, ...file }, index) => ({
    ...{ ...file, path: `file${index}`, bytes: content, attributes: RDONLY | NOSUID | NODEV | NOEXEC },
  }));
  return [...usual, ...own].flatMap(({ target, path, bytes, attributes, mode, uid, gid }): Step[] => {
    const mount = slots.take();
    return [
      { op: 'write_file', root: staging, path, bytes, mode, uid, gid, ...ANYWHERE },
      ...bindSteps(mount, { at: staging, path, attributes }),
      { op: 'attach', mount, root, path: target, create: CREATE.file, ...groundOf(places, target) },
    ];
  });
}

interface Bind {
  readonly at: Slot;
  readonly path: string;
  readonly attributes: number;
  readonly recursive?: boolean;
}

function bindSteps(out: Slot, { at, path, attributes, recursive: isRecursive = false }: Bind): Step[] {
  const recursive = isRecursive ? 1 : 0;
  const clone: Step = { op: 'clone_mount', out, at, path, recursive };
  return attributes === 0 ? [clone] : [clone, { op: 'set_mount', mount: out, recursive, set: attributes, clear: 0, propagation: 0 }];
}
