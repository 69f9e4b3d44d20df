import { PROPAGATION } from '../../plan/constants.js';
import { NONE, type Plan, type Stage } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import { resolveSysctls } from '../../security/sysctls.js';
import { planDev } from './devices.js';
import { planCopyIn, planEtc } from './files.js';
import type { PlanInput } from './input.js';
import { planKernelMounts, planMounts } from './mounts.js';
import { isNew, planNamespaces } from './namespaces.js';
import { planProcess } from './process.js';
import { protectRoot } from './protect.js';
import { planRoot } from './root.js';

/** The plan, and the slots in it that Node asks for. */
export interface ContainerPlan {
  readonly plan: Plan;
  /** Its mount namespace: what is read from the container after its end is read there. */
  readonly mountNamespace: Slot;
}

/**
 * The whole container as a list: every decision about order and defaults is here and in the files beside, and none
 * is in C++. Pure: a test can print it without root.
 */
export function planContainer(input: PlanInput): ContainerPlan {
  const { options, slots, group } = input;
  const namespaces = planNamespaces(options, slots);
  const root = planRoot(input);
  const dev = planDev(input, root.root);
  const mounts = planMounts(input, root.root, dev.nullDevice);
  const copyIn = planCopyIn(input, root.root);
  const mountNamespace = slots.take();
  // whoever closes the last descriptor of it waits for its mounts to go: not the shim, when nobody will look into it
  const keepsMounts = options.copyOut.length > 0 || input.park;

  const joinGroups = group.join;
  const main: Step[] = [
    ...namespaces.join,
    ...namespaces.cgroup,
    { op: 'setsid' },
    { op: 'keyring' },
    // the host's mounts go on to be seen here, nothing of here is seen there
    { op: 'set_propagation', path: '/', propagation: PROPAGATION.slave },
    ...mounts.open,
    ...copyIn.open,
    ...root.steps,
    ...planKernelMounts(input, root.root),
    ...dev.steps,
    ...mounts.attach,
    ...planEtc(input, root.root, root.staging),
    ...copyIn.copy,
    ...(options.readOnly ? root.mounts.map(readOnlyMount) : []),
    { op: 'pivot', root: root.root, between: 0 },
    ...identitySteps(input),
    ...protectRoot(input, root.root, dev.nullDevice),
    ...(keepsMounts ? [{ op: 'open_namespace', host: true, out: mountNamespace, type: 'mnt' } as const] : []),
    ...planProcess(input),
  ];

  const born = group.unified === undefined ? {} : { group: group.unified };
  const dumpable: Step = { op: 'dumpable', value: 0 };
  const stages: Stage[] =
    namespaces.before.length === 0
      ? [{ flags: namespaces.flags, ...born, steps: [dumpable, ...joinGroups, ...main] }]
      : [
          { flags: 0, ...born, steps: [dumpable, ...joinGroups, ...namespaces.before, { op: 'clone', stage: 1 }] },
          { flags: namespaces.flags, steps: main },
        ];

  const { process } = options;
  const plan: Plan = {
    prepare: [...group.prepare, ...diskSteps(input), ...mounts.prepare],
    stages,
    undo: [...diskUndo(input), ...input.journal, ...group.undo],
    reports: group.reports,
    returns: keepsMounts ? [mountNamespace] : [],
    killGroup: group.killGroup,
    ending: { signal: process.killSignal, forceKillAfterMs: process.forceKillAfterDelay },
    ...(process.timeout === null ? {} : { timeoutMs: process.timeout }),
    ...(input.cpuClock === null ? {} : { cpuClock: input.cpuClock }),
  };
  return { plan, mountNamespace };
}

function readOnlyMount(mount: Slot): Step {
  return { op: 'set_mount', mount, recursive: 0, set: MOUNT_ATTR.RDONLY, clear: 0, propagation: 0 };
}

/** Names, the loopback, and what is set below /proc while that can still be written to. */
function identitySteps({ options, hostname }: PlanInput): Step[] {
  return [
    ...(isNew(options, 'uts') ? [{ op: 'sethostname', name: hostname } as const] : []),
    ...(isNew(options, 'uts') && options.domainname !== null ? [{ op: 'setdomainname', name: options.domainname } as const] : []),
    ...(isNew(options, 'net') ? [{ op: 'link_up', name: 'lo' } as const] : []),
    ...resolveSysctls(options.sysctls, (type) => isNew(options, type)).map((sysctl): Step => ({ op: 'sysctl', ...sysctl })),
    ...(options.oomScoreAdj === null ? [] : [{ op: 'oom_score_adj', value: String(options.oomScoreAdj) } as const]),
  ];
}

/** An upper on disk is made before, and goes with the container. */
function diskSteps({ root }: PlanInput): Step[] {
  if (root.type !== 'recipe' || root.disk === null) return [];
  return [{ op: 'mkdir', host: true, out: NONE, root: NONE, path: root.disk, mode: 0o700, uid: 0, gid: 0 }];
}

function diskUndo({ root }: PlanInput): Step[] {
  return root.type === 'recipe' && root.disk !== null ? [{ op: 'remove_tree', host: true, at: NONE, path: root.disk }] : [];
}
