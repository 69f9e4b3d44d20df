import { constants } from 'node:os';
import { capabilityMask } from './capability-names.js';
import { confinedStage } from './confined-worker.js';
import { CLONE, PROPAGATION } from './constants.js';
import { NONE, type Plan, planOf, Slots } from './plan.js';
import { MOUNT_ATTR } from './recipe.js';
import type { Slot, Step } from './steps.js';

/** What an archive may have at most: an entry beyond one of these ends the unpacking with EDOM. */
export interface UnpackBounds {
  /** Bytes of the whole stream. */
  readonly maxBytes: number;
  readonly maxEntries: number;
  /** Bytes. */
  readonly maxPathLength: number;
  /** Names in a path. */
  readonly maxDepth: number;
}

/** An archive to be unpacked. */
export interface UnpackRequest {
  /** A descriptor of the uncompressed tar stream. */
  readonly input: number;
  /** The folder's absolute path. */
  readonly target: string;
  /** The unpacked layers below, the topmost first: they tell the owner and mode of folders that the archive only implies. */
  readonly lower: readonly string[];
  /** What is not given is bounded by what the kernel takes, and by layer/unpack.h. */
  readonly limits: Partial<UnpackBounds>;
  /** 'overlay': the archive is a layer, whose whiteouts are kept as overlayfs has them. 'none': names that look like one are names. */
  readonly whiteouts: 'overlay' | 'none';
  /** '0': all is root's, whatever the archive says. Default: as it says. */
  readonly owner?: 'keep' | '0' | undefined;
  /** Who unpacks, and mounts what was unpacked: see layer/unpack.h for what differs. */
  readonly by: 'root' | 'user';
}

const HARMLESS = MOUNT_ATTR.NODEV | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC;

const NAMESPACES = CLONE.mnt | CLONE.cgroup | CLONE.uts | CLONE.ipc | CLONE.pid | CLONE.net;

// With these, owners and modes are as the layer has them, and device nodes and file capabilities can be made. SYS_ADMIN is for one thing:
// an opaque folder is an xattr of the name space trusted.*, which asks for it.
const KEPT = capabilityMask('CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SYS_ADMIN', 'MKNOD', 'SETFCAP');

/**
 * The plan of a process that unpacks one layer. Its root is the target folder, and it sees nothing else of the machine (no network, no
 * other process, no other mount but the lower layers, to be read). It keeps the capabilities that the entries of a layer need, and the
 * system calls of unpacking.
 *
 * Device nodes are made as the layer has them, so that nothing is lost; every mount of an image is `nodev`, so they open nothing. A user can
 * make none.
 */
export function unpackPlan({ input, target, lower, limits, whiteouts, owner, by }: UnpackRequest): { plan: Plan; slots: Slots } {
  const slots = new Slots();
  const stream = slots.give(input);
  const mount = slots.take();
  const below = lower.map((path) => ({ slot: slots.take(), path }));
  const stage = confinedStage({
    namespaces: NAMESPACES,
    enter: [
      { op: 'set_propagation', path: '/', propagation: PROPAGATION.private },
      // the folders are opened by path: a descriptor of Node's would show the folder in another mount namespace, which open_tree refuses
      ...below.flatMap(({ slot, path }) => readOnly(slot, path)),
      { op: 'clone_mount', out: mount, at: NONE, path: target, recursive: 0 },
      { op: 'set_mount', mount, recursive: 0, set: HARMLESS, clear: 0, propagation: 0 },
      { op: 'attach_at', mount, at: NONE, path: target },
      { op: 'pivot', root: mount, between: 0 },
    ],
    capabilities: KEPT,
    work: {
      op: 'unpack',
      input: stream,
      root: mount,
      lower: below.map(({ slot }) => slot),
      options: [`whiteouts=${whiteouts}`, ...(owner ? [`owner=${owner}`] : []), `by=${by}`, 'devices=1', ...optionsOf(limits)],
    },
    output: NONE,
  });
  const plan = planOf({ stages: [stage] });
  return { plan, slots };
}

/** A folder as a mount that is nowhere: what is above the folder can't be reached from it. */
function readOnly(out: Slot, path: string): Step[] {
  return [
    { op: 'clone_mount', out, at: NONE, path, recursive: 0 },
    { op: 'set_mount', mount: out, recursive: 0, set: HARMLESS | MOUNT_ATTR.RDONLY, clear: 0, propagation: 0 },
  ];
}

function optionsOf({ maxBytes, maxEntries, maxPathLength, maxDepth }: UnpackRequest['limits']): string[] {
  return Object.entries({ maxBytes, maxEntries, maxPathLength, maxDepth }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
}

/** What became of an unpacking process that did not end well. */
export function deathOf({ kind, value }: { readonly kind: 'exited' | 'signalled'; readonly value: number }): string {
  if (kind === 'signalled' && value === constants.signals.SIGSYS)
    return 'the unpacking process made a system call that unpacking never makes, and was killed by its filter';
  return `the unpacking process ${kind === 'exited' ? 'ended with' : 'was killed by signal'} ${value}`;
}
