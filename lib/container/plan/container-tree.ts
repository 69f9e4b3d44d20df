import { PROPAGATION } from '../../plan/constants.js';
import type { Slots } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import { resolveSysctls } from '../../security/sysctls.js';
import { bindDevices } from './device-nodes.js';
import type { Place } from './ground.js';
import { planMounts } from './mount-steps.js';
import { DEV, PROC } from './mount-table.js';
import { isNew, type NamespacePlan } from './namespace-steps.js';
import type { PlanInput, TreeInput } from './plan-input.js';
import { oomScoreSteps } from './process-steps.js';
import type { Protection } from './protect.js';
import { planRoot, planRootAgain, type RootPlan, type RunBefore } from './root-mounts.js';
import type { Staging } from './staging.js';
import { planFiles, type TablePlan } from './table-mounts.js';
import { planVolumes } from './volume-mounts.js';

/** What of a container is planned before its tree. */
export interface TreeParts {
  readonly namespaces: NamespacePlan;
  /**
   * Steps that make file systems in a mount namespace of the container's own: in a user namespace, no other takes them. That one is made only
   * in the second part, so that it shows the host as it is then.
   */
  readonly make: readonly Step[];
  readonly staging: Staging;
  readonly mounts: TablePlan;
  readonly protection: Protection;
}

/** A container's mounts, by steps that the run of a program has between them. */
export interface TreePlan {
  readonly prepare: readonly Step[];
  readonly root: RootPlan;
  readonly places: readonly Place[];
  /** While the host's paths can be seen. */
  readonly open: readonly Step[];
  readonly build: readonly Step[];
  /** The last one pivots. */
  readonly attach: readonly Step[];
  readonly readOnly: readonly Step[];
  /** When nothing is written to the root any more but by way of mounts in it: names, and what is masked. */
  confine(): Step[];
  /** The same for a container that waits in between: see {@link Protection.protectInParts}. */
  confineInParts(slots: Slots): { readonly first: Step[]; readonly rest: Step[] };
}

export function planTree(head: TreeParts, input: TreeInput, before?: RunBefore): TreePlan {
  const { options } = input;
  const { namespaces, staging, protection } = head;
  const [proc, dev] = [head.mounts.at(PROC), head.mounts.at(DEV)];
  const root = before ? planRootAgain(input, staging, before) : planRoot(input, staging);
  const own = head.mounts.attach(root.root);
  const volumes = planVolumes(input, root.root);
  const mounts = planMounts(input, { root: root.root, proc, before: own.places, tmpfs: staging.slot, volumes: volumes.inMounts });
  const { places } = mounts;
  const { nullDevice } = head.mounts;
  const identity = identitySteps(input, proc);
  return {
    prepare: mounts.prepare,
    root,
    places,
    open: [
      // the process may be older than a mount of the host's, so the mount namespace is made only now
      ...namespaces.mounts,
      // later mounts of the host are seen here, but no mount of ours is seen on the host
      { op: 'set_propagation', path: '/', propagation: PROPAGATION.slave },
      ...oomScoreSteps(input.program),
      ...head.make,
      ...mounts.open,
    ],
    build: [...head.mounts.open, ...root.steps, ...volumes.steps, ...own.steps],
    attach: [
      ...bindDevices(input, { dev, root: root.root, places: own.places }),
      ...mounts.attach,
      ...planFiles(input, { root: root.root, staging: staging.slot, places }),
      { op: 'pivot', root: root.root, between: 0 },
    ],
    readOnly: options.readOnly ? root.mounts.map(readOnlyMount) : [],
    confine: () => [...identity, ...protection.protect(places, nullDevice)],
    confineInParts: (slots) => {
      const { first, rest } = protection.protectInParts(places, nullDevice, { slots, isRootShared: input.root.type === 'folder' });
      return { first: [...identity, ...first], rest };
    },
  };
}

function readOnlyMount(mount: Slot): Step {
  return { op: 'set_mount', mount, recursive: 0, set: MOUNT_ATTR.RDONLY, clear: 0, propagation: 0 };
}

/** Steps for the host and domain names, and for sysctls, which are set below /proc while that can still be written to. */
function identitySteps({ options, hostname }: Pick<PlanInput, 'options' | 'hostname'>, proc: Slot): Step[] {
  return [
    ...(isNew(options, 'uts') ? [{ op: 'sethostname', name: hostname } as const] : []),
    ...(isNew(options, 'uts') && options.domainname !== null ? [{ op: 'setdomainname', name: options.domainname } as const] : []),
    ...resolveSysctls(options.sysctls, (type) => isNew(options, type)).map((sysctl): Step => ({ op: 'sysctl', proc, ...sysctl })),
  ];
}
