import { type CapabilityMask, capabilityMask, capabilityNames } from '../plan/capability-names.js';

/**
 * A list of capabilities in config.json, whose names may be in any case, and without their CAP_. Names that this library does not know are passed
 * over, as in runc, and told. Pure.
 */
export function namedCapabilities(names: readonly string[] = []): { readonly mask: CapabilityMask; readonly unknown: readonly string[] } {
  const plain = names.map((name) => name.toUpperCase().replace(/^CAP_/, ''));
  return {
    mask: capabilityMask(...capabilityNames.filter((known) => plain.includes(known))),
    unknown: names.filter((_, index) => !capabilityNames.some((known) => known === plain[index])),
  };
}
