import type { Step } from '../../plan/steps.js';
import type { ProgramLabels } from '../config/security-labels.js';

/**
 * Steps for what security modules do at the next execve: the process and its children have the labels until then, so that hooks of the process have them too when they
 * come later. They need the host's /proc, for that of a container may be anything (CVE-2025-52881). Pure.
 */
export function programLabelSteps({ apparmor, selinux }: ProgramLabels): Step[] {
  return [
    ...(apparmor === null
      ? []
      : [attribute(`apply the AppArmor profile ${apparmor.profile}`, apparmor.attribute, `exec ${apparmor.profile}`)]),
    ...(selinux === null ? [] : [attribute(`set the SELinux label ${selinux}`, 'exec', selinux)]),
  ];
}

/** The step for the label of keys that the process makes until its execve. Pure. */
export function keyLabelSteps({ selinux }: ProgramLabels): Step[] {
  return selinux === null ? [] : [attribute(`set the SELinux label ${selinux} of keys`, 'keycreate', selinux)];
}

function attribute(what: string, name: string, value: string): Step {
  return { op: 'security_attribute', what, name, value };
}

/** The policy labels files of these one by one, or they are the host's own. */
const LABELLED_BY_POLICY = new Set(['proc', 'sysfs', 'mqueue', 'cgroup', 'cgroup2']);

/** The option by which all files of a new file system have a label (mount(8), "context"); none where an option says one. Pure. */
export function labelOptions(label: string | null, type: string, options: readonly string[]): string[] {
  if (label === null || LABELLED_BY_POLICY.has(type) || options.some((option) => /^(fs|def|root)?context=/.test(option))) return [];
  return [`context=${label}`];
}
