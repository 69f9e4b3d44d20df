import { readFileSync } from 'node:fs';
import { privilege } from '../../host/privilege.js';
import { attempt } from '../../native/system-errors.js';
import { allCapabilities, type CapabilityMask } from '../../plan/capability-names.js';
import { heldCapabilities } from '../../security/capabilities.js';

let held: CapabilityMask | undefined;

/** The capabilities that can be given to a container. They are read once. @throws SyscallError */
export function ownCapabilities(): CapabilityMask {
  // of root in a user namespace, these are all
  if (privilege().kind === 'user') return allCapabilities;
  held ??= heldCapabilities(attempt('read the own capabilities', () => readFileSync('/proc/self/status', 'utf8')));
  return held;
}
