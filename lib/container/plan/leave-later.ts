import { type Attachment, areBridged } from '../../network/bridge/attach-network.js';
import type { Step } from '../../plan/steps.js';

/**
 * Of the steps by which a container leaves its networks, those that may be done behind its result: all where it is on networks by bridges alone. What plugins
 * of CNI made, links of this machine's own, and another container's network are not its own. Pure.
 */
export function leaveLater(attachments: readonly Attachment[], undo: readonly Step[]): readonly Step[] {
  return attachments.length > 0 && areBridged(attachments) ? undo : [];
}
