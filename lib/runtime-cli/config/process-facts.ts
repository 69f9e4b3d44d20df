import { invalidOption } from '../../errors.js';
import type { BundleProcess } from '../../oci-config/config-schema.js';
import { type CapabilityMask, type CapabilityName, capabilityNames } from '../../plan/capability-names.js';
import { type Rlimit, resolveUlimits } from '../../security/rlimits.js';

/** The five sets of capabilities(7). */
export interface CapabilitySets {
  readonly bounding: CapabilityMask;
  readonly effective: CapabilityMask;
  readonly permitted: CapabilityMask;
  readonly inheritable: CapabilityMask;
  /** Those alone that are permitted and inheritable: the kernel takes no others, and buildah names them, as runc passes them over. */
  readonly ambient: CapabilityMask;
  /** Names that this library does not know: as runc does, they are passed over. */
  readonly unknown: readonly string[];
}

/** The sets of a process; one that names none has none. Pure. */
export function capabilitySets({ capabilities }: Pick<BundleProcess, 'capabilities'>): CapabilitySets {
  const unknown = new Set<string>();
  const mask = (names: readonly string[] = []): CapabilityMask =>
    names.reduce((all, name) => {
      const number = capabilityNames.indexOf(name.toUpperCase().replace(/^CAP_/, '') as CapabilityName);
      if (number < 0) unknown.add(name);
      return number < 0 ? all : all | (1n << BigInt(number));
    }, 0n);
  const [bounding, effective, permitted] = [mask(capabilities?.bounding), mask(capabilities?.effective), mask(capabilities?.permitted)];
  const inheritable = mask(capabilities?.inheritable);
  const ambient = mask(capabilities?.ambient) & permitted & inheritable;
  return { bounding, effective, permitted, inheritable, ambient, unknown: [...unknown] };
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

/** The environment with one entry a name: the last of them counts, as in runc. Pure. */
export function processEnvironment({ env }: Pick<BundleProcess, 'env'>): string[] {
  const last = new Map<string, string>();
  for (const entry of env) last.set(entry.split('=', 1)[0] ?? '', entry);
  return [...last.values()];
}
