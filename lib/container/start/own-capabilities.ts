import { readFileSync } from 'node:fs';
import { attempt } from '../../native/system-errors.js';
import type { CapabilityMask } from '../../plan/capability-names.js';
import { heldCapabilities } from '../../security/capabilities.js';

let held: CapabilityMask | undefined;

/** The capabilities that this process can give to others. They are read once. @throws SyscallError */
export function ownCapabilities(): CapabilityMask {
  held ??= heldCapabilities(attempt('read the own capabilities', () => readFileSync('/proc/self/status', 'utf8')));
  return held;
}
