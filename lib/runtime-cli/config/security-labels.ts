import type { SecurityModules } from '../../host/security-modules.js';
import type { BundleLinux, BundleProcess } from '../../oci-config/config-schema.js';
import { refuse } from '../../oci-config/refused.js';

/** What security modules are told of a program. */
export interface ProgramLabels {
  /** A profile of AppArmor, and the file below /proc/self/attr that takes its name. */
  readonly apparmor: { readonly attribute: string; readonly profile: string } | null;
  /** SELinux's label. */
  readonly selinux: string | null;
}

// with runc's words, which callers look for
const NO_APPARMOR = 'config provided but apparmor not supported';
const NO_SELINUX = 'selinux label is specified in config, but selinux is disabled or not supported';

/** A program that is less confined than it was asked to be is worse than none. Pure. @throws UnsupportedError where the kernel has not the module */
export function programLabels(
  { apparmorProfile, selinuxLabel }: Partial<Pick<BundleProcess, 'apparmorProfile' | 'selinuxLabel'>>,
  modules: SecurityModules,
): ProgramLabels {
  if (apparmorProfile && modules.apparmor === null) refuse('process.apparmorProfile', NO_APPARMOR);
  if (selinuxLabel && !modules.selinux) refuse('process.selinuxLabel', NO_SELINUX);
  return {
    apparmor: apparmorProfile && modules.apparmor !== null ? { attribute: modules.apparmor, profile: apparmorProfile } : null,
    selinux: selinuxLabel || null,
  };
}

/** SELinux's label of all files of mounts that are new; `null`: they have the policy's. Pure. @throws UnsupportedError where the kernel has no SELinux */
export function mountLabelOf(linux: BundleLinux | undefined, modules: SecurityModules): string | null {
  const label = linux?.mountLabel || null;
  if (label !== null && !modules.selinux) refuse('linux.mountLabel', NO_SELINUX);
  return label;
}
