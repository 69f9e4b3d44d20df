import type { HookKind } from '../../oci-config/config-schema.js';

/** A hook in the words of runc, which callers match. Pure. */
export function hookName(kind: HookKind, index: number): string {
  return `${kind} hook #${index}`;
}
