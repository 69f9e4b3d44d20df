import { invalidOption } from '../../errors.js';
import type { BundleProcess } from '../../oci-config/config-schema.js';
import { namedCapabilities } from '../../oci-config/named-capabilities.js';
import { type CapabilityMask, capabilityMask, capabilityNames } from '../../plan/capability-names.js';
import { type Rlimit, resolveUlimits } from '../../security/rlimits.js';

/** The five sets of capabilities(7). */
export interface CapabilitySets {
  readonly bounding: CapabilityMask;
  readonly effective: CapabilityMask;
  readonly permitted: CapabilityMask;
  readonly inheritable: CapabilityMask;
  /** Those alone that are permitted and inheritable: the kernel takes no others, and buildah names them, as runc passes them over. */
  readonly ambient: CapabilityMask;
  /** Those that were to be ambient and are not, for that reason. */
  readonly notAmbient: readonly string[];
  /** Names that this library does not know: as runc does, they are passed over. */
  readonly unknown: readonly string[];
}

/** The sets of a process; one that names none has none. Pure. */
export function capabilitySets({ capabilities }: Pick<BundleProcess, 'capabilities'>): CapabilitySets {
  const unknown = new Set<string>();
  const mask = (names: readonly string[] | undefined): CapabilityMask => {
    const named = namedCapabilities(names);
    for (const name of named.unknown) unknown.add(name);
    return named.mask;
  };
  const [bounding, effective, permitted] = [mask(capabilities?.bounding), mask(capabilities?.effective), mask(capabilities?.permitted)];
  const inheritable = mask(capabilities?.inheritable);
  const asked = mask(capabilities?.ambient);
  const ambient = asked & permitted & inheritable;
  const notAmbient = capabilityNames.filter((name) => (asked & ~ambient & capabilityMask(name)) !== 0n).map((name) => `CAP_${name}`);
  return { bounding, effective, permitted, inheritable, ambient, notAmbient, unknown: [...unknown] };
}

/**
 * Whether the process has the supplementary groups of the runtime in the place of its own, as podman asks for with keep-groups. It is for containers of an
 * ordinary user alone: engines hand on annotations of images too, and no image gives itself groups of root's. Pure.
 */
export function keepsGroups(
  { annotations }: { readonly annotations?: Readonly<Record<string, string>> | undefined },
  { isConfined }: { readonly isConfined: boolean },
): boolean {
  return isConfined && annotations?.['run.oci.keep_original_groups'] === '1';
}

/** Resource limits by the kernel's names. @throws NacelleError `ERR_INVALID_OPTION` for a name that the kernel does not have. Pure. */
export function processLimits({ rlimits }: Pick<BundleProcess, 'rlimits'>): Rlimit[] {
  return rlimits.flatMap(({ type, soft, hard }, index) => {
    try {
      return resolveUlimits({ [type.slice('RLIMIT_'.length).toLowerCase()]: { soft, hard } });
    } catch (cause) {
      throw invalidOption(`process.rlimits[${index}].type`, `there is no limit ${type}`, cause);
    }
  });
}

/** The environment with one entry a name: the last of them counts, as in runc. A HOME that is empty is none, and so becomes the user's. Pure. */
export function processEnvironment({ env }: Pick<BundleProcess, 'env'>): string[] {
  const last = new Map<string, string>();
  for (const entry of env) last.set(entry.split('=', 1)[0] ?? '', entry);
  return [...last.values()].filter((entry) => entry !== 'HOME=');
}

/** What whoever calls the runtime is told of capabilities that can't be ambient, in runc's words. Pure. */
export function ambientWarnings({ notAmbient }: Pick<CapabilitySets, 'notAmbient'>): string[] {
  return notAmbient.map((name) => `can't raise ambient capability ${name}: it is not both permitted and inheritable`);
}
