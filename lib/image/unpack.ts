import { constants } from 'node:os';
import { CLONE, PROPAGATION, SIGKILL } from '../plan/constants.js';
import { NONE, type Plan, planOf, Slots } from '../plan/plan.js';
import { MOUNT_ATTR } from '../plan/recipe.js';

/** What bounds a layer, so that a small file can't fill the disk. */
export interface UnpackLimits {
  /** Bytes of the uncompressed layer. */
  readonly maxBytes: number;
  readonly maxEntries: number;
}

export const DEFAULT_LIMITS: UnpackLimits = { maxBytes: 64 * 1024 ** 3, maxEntries: 5_000_000 };

const NAMESPACES = CLONE.mnt | CLONE.cgroup | CLONE.uts | CLONE.ipc | CLONE.pid | CLONE.net;

// capability.h: owners and modes as the layer has them, device nodes, file capabilities.
// SYS_ADMIN is for one thing: an opaque folder is an xattr of the name space trusted.*, which asks for it.
const CAPABILITIES = { CHOWN: 0, DAC_OVERRIDE: 1, FOWNER: 3, FSETID: 4, SYS_ADMIN: 21, MKNOD: 27, SETFCAP: 31 };
const KEPT = Object.values(CAPABILITIES).reduce((set, bit) => set | (1n << BigInt(bit)), 0n);

/**
 * The plan of a process that unpacks one layer: its root is the target folder, all else of the machine is out of its sight
 * (no network, no other process, no other mount), and it keeps the capabilities that the entries of a layer need, and the
 * system calls of unpacking.
 *
 * Device nodes are made as the layer has them, so that nothing is lost; every mount of an image is `nodev`, so they open nothing.
 *
 * @param input a descriptor of the uncompressed tar stream
 * @param target the folder's absolute path
 */
export function unpackPlan(input: number, target: string, limits: UnpackLimits): { plan: Plan; slots: Slots } {
  const slots = new Slots();
  const stream = slots.give(input);
  const mount = slots.take();
  const plan = planOf({
    stages: [
      {
        flags: NAMESPACES,
        steps: [
          { op: 'set_propagation', path: '/', propagation: PROPAGATION.private },
          // by path: a descriptor of Node's would show the folder in another mount namespace, which open_tree refuses
          { op: 'clone_mount', out: mount, at: NONE, path: target, recursive: 0 },
          { op: 'set_mount', mount, recursive: 0, set: MOUNT_ATTR.NODEV | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC, clear: 0, propagation: 0 },
          { op: 'attach_at', mount, at: NONE, path: target },
          { op: 'pivot', root: mount, between: 0 },
          { op: 'bound_capabilities', bounding: KEPT },
          { op: 'capabilities', effective: KEPT, permitted: KEPT, inheritable: 0, ambient: 0 },
          { op: 'no_new_privileges' },
          { op: 'parent_death_signal', signal: SIGKILL },
          { op: 'unpack_filter' },
          {
            op: 'unpack',
            input: stream,
            root: mount,
            options: ['whiteouts=overlay', 'devices=1', `maxBytes=${limits.maxBytes}`, `maxEntries=${limits.maxEntries}`],
          },
        ],
      },
    ],
  });
  return { plan, slots };
}

/** What became of an unpacking process that did not end well. */
export function deathOf({ kind, value }: { readonly kind: 'exited' | 'signalled'; readonly value: number }): string {
  if (kind === 'signalled' && value === constants.signals.SIGSYS)
    return 'the unpacking process made a system call that unpacking never makes, and was killed by its filter';
  return `the unpacking process ${kind === 'exited' ? 'ended with' : 'was killed by signal'} ${value}`;
}
