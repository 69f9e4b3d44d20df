import { emitWarning } from 'node:process';
import { codeOf, toError } from '../../errors.js';
import { detachEnded } from '../../network/cni/attachments.js';
import type { ContainerRecord } from '../start/container-record.js';

/**
 * Has the plugins of CNI detach a container that has ended. What they refuse is no failure of the container's: it is told by a warning, and
 * `remove()` and `reap()` try again.
 */
export async function detachAtEnd({ id, networks }: Pick<ContainerRecord, 'id' | 'networks'>): Promise<void> {
  // links of plugins have a list of ports
  if (!networks.some(({ ports }) => ports !== undefined)) return;
  try {
    await detachEnded(id);
  } catch (thrown) {
    emitWarning(toError(thrown).message, { type: 'NacelleWarning', code: codeOf(thrown) ?? 'ERR_INTERNAL' });
  }
}
