import { getegid, geteuid } from 'node:process';
import { carryOut } from '../native/host-work.js';
import { ownerName } from '../native/shim.js';
import { CLONE } from '../plan/constants.js';
import { type NamespaceType, namespaceTypes } from '../plan/namespace-types.js';
import { planOf } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { bridgeFeature, rootAlone } from './bridge-feature.js';
import { type CgroupFeatures, cgroupFeatures, noGroups } from './cgroup-features.js';
import { cniFeature } from './cni-feature.js';
import { detachFeature } from './detach-feature.js';
import { type Feature, lacking, refused, works } from './feature.js';
import { folderQuota } from './folder-quota.js';
import { landlockFeature } from './landlock-abi.js';
import { linkFeature } from './link-feature.js';
import { pastaFeature } from './pasta-feature.js';
import { findProgram } from './programs.js';
import { noRootless, type RootlessFeature, rootlessFeature } from './rootless-features.js';

/** What this machine and this user can do. Every part was tried, none is guessed from the kernel's version. */
export interface Features {
  /** Whether a new namespace of each type can be made; for another user than root, together with a new user namespace. */
  readonly namespaces: Readonly<Record<NamespaceType, Feature>>;
  readonly cgroup: CgroupFeatures;
  /** Overlay file systems: images, and `OverlayFs`. */
  readonly overlay: Feature;
  /** A size for a folder on disk: `Volume.create` with `size`, and `upperSize` with `upper: 'disk'`. */
  readonly folderQuota: Feature;
  /**
   * Whether a detached container goes on when the systemd unit that this process is part of is stopped, and when its user logs out. An ordinary
   * user's container gets a scope of the user's systemd; this makes one for a moment, and removes it.
   */
  readonly detach: Feature;
  /** Containers without root, with what they are made of. */
  readonly rootless: RootlessFeature;
  /** System call filters. */
  readonly seccomp: Feature;
  /** What `isolation: 'landlock'` needs, with the version of its ABI: 1 to 7 (Linux 5.13 to 6.15) differ in what they confine. */
  readonly landlock: Feature & { readonly abi: number | null };
  /** By the values of the option `network`, and the drivers of `Network.create`; `cni`: whether there are plugins, whichever. */
  readonly network: Readonly<Record<'none' | 'host' | 'bridge' | 'pasta' | 'macvlan' | 'ipvlan' | 'vxlan' | 'cni', Feature>>;
  /** Programs of the host that some option needs; nothing else of nacelle needs any. */
  readonly binaries: Readonly<Record<string, Feature>>;
}

/** The Debian package of each. */
const BINARIES = { pasta: 'passt', newuidmap: 'uidmap', newgidmap: 'uidmap' } as const;

/**
 * Reports what this machine and this user can do, and why not and what to do where they can't. Starts the shim, tries each
 * thing in a process of its own, and leaves nothing. Never rejects: where nothing works, that is the report.
 */
export async function features(): Promise<Features> {
  const shim = tryShim();
  const when = (attempt: () => Promise<Feature>): Promise<Feature> => (shim.available ? attempt() : Promise.resolve(shim));
  const cgroup = shim.available ? await cgroupFeatures().catch((error: unknown) => noGroups(refused(error))) : noGroups(shim);
  const [namespaces, bridge, macvlan, ipvlan, vxlan, pasta, detach, rootless, seccomp, landlock] = await Promise.all([
    Promise.all(namespaceTypes.map(async (type) => [type, await when(() => tryNamespace(type))] as const)),
    when(bridgeFeature),
    when(() => linkFeature('macvlan')),
    when(() => linkFeature('ipvlan')),
    when(() => linkFeature('vxlan')),
    when(pastaFeature),
    when(detachFeature),
    shim.available ? rootlessFeature(cgroup).catch((error: unknown) => noRootless(refused(error))) : noRootless(shim),
    // struct sock_filter: return SECCOMP_RET_ALLOW
    when(() => attempt([{ op: 'no_new_privileges' }, { op: 'seccomp', filter: Uint8Array.of(6, 0, 0, 0, 0, 0, 0xff, 0x7f) }], 0)),
    shim.available ? landlockFeature() : { ...shim, abi: null },
  ]);
  const byType = Object.fromEntries(namespaces) as Record<NamespaceType, Feature>;
  const bridges = byType.net.available ? bridge : byType.net;
  const others = rootAlone() ?? bridges;
  return {
    namespaces: byType,
    cgroup,
    overlay: rootless.parts.overlay,
    folderQuota,
    detach,
    rootless,
    seccomp,
    landlock,
    network: {
      none: byType.net,
      host: shim,
      bridge: bridges,
      macvlan: others.available ? macvlan : others,
      ipvlan: others.available ? ipvlan : others,
      vxlan: others.available ? vxlan : others,
      cni: rootAlone() ?? (byType.net.available ? cniFeature() : byType.net),
      pasta: byType.net.available ? pasta : byType.net,
    },
    binaries: Object.fromEntries(
      Object.entries(BINARIES).map(([name, debian]) => [
        name,
        findProgram(name) === null ? lacking('it is not in PATH', `Install it: apt-get install ${debian}.`) : works,
      ]),
    ),
  };
}

/** Without the shim nothing else can be tried. */
function tryShim(): Feature {
  try {
    ownerName();
    return works;
  } catch (error) {
    return refused(error);
  }
}

function tryNamespace(type: NamespaceType): Promise<Feature> {
  // a process can't be born in a new time namespace whose offsets are still to be set: the kernel wants unshare there
  return type === 'time' ? attempt([{ op: 'unshare', flags: CLONE.time }], 0) : attempt([], CLONE[type]);
}

/**
 * Runs steps in a new process that then waits, and ends it. Another user than root gets a user namespace around them.
 */
async function attempt(steps: readonly Step[], flags: number): Promise<Feature> {
  const asIs = geteuid?.() === 0;
  const map = (path: string, text: string): Step => ({ op: 'write_process', host: true, path, bytes: Buffer.from(text) });
  const become = asIs
    ? []
    : [map('setgroups', 'deny'), map('gid_map', `0 ${getegid?.() ?? 0} 1`), map('uid_map', `0 ${geteuid?.() ?? 0} 1`)];
  const plan = planOf({ stages: [{ flags: asIs ? flags : flags | CLONE.user, steps: [...become, ...steps, { op: 'park' }] }] });
  try {
    await carryOut(plan);
    return works;
  } catch (error) {
    return refused(error);
  }
}
