import { constants } from 'node:os';
import { capabilityMask } from '../../plan/capability-names.js';
import { confinedStage } from '../../plan/confined-worker.js';
import { CLONE, PROPAGATION } from '../../plan/constants.js';
import { NONE, type Plan, planOf, Slots } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { ParsedLimits } from '../formats/unpack-limits.js';

/** A layer to be unpacked. */
export interface UnpackRequest {
  /** A descriptor of the uncompressed tar stream. */
  readonly input: number;
  /** The folder's absolute path. */
  readonly target: string;
  /** The unpacked layers below, the topmost first: they tell the owner and mode of folders that the archive only implies. */
  readonly lower: readonly string[];
  readonly limits: Omit<ParsedLimits, 'maxRatio'>;
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
 * Device nodes are made as the layer has them, so that nothing is lost; every mount of an image is `nodev`, so they open nothing.
 */
export function unpackPlan({ input, target, lower, limits }: UnpackRequest): { plan: Plan; slots: Slots } {
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
      options: ['whiteouts=overlay', 'devices=1', ...optionsOf(limits)],
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
  return Object.entries({ maxBytes, maxEntries, maxPathLength, maxDepth }).map(([name, value]) => `${name}=${value}`);
}

/** What became of an unpacking process that did not end well. */
export function deathOf({ kind, value }: { readonly kind: 'exited' | 'signalled'; readonly value: number }): string {
  if (kind === 'signalled' && value === constants.signals.SIGSYS)
    return 'the unpacking process made a system call that unpacking never makes, and was killed by its filter';
  return `the unpacking process ${kind === 'exited' ? 'ended with' : 'was killed by signal'} ${value}`;
}
