import { toError, withCleanupError } from '../../errors.js';
import { releaseAll } from '../../network/bridge/parts.js';
import { toldOfProfile } from '../options/profiles.js';
import { withContents } from '../plan/default-mounts.js';
import { networksFor } from '../start/container-networks.js';
import { etcFiles } from '../start/etc-files.js';
import { letGo } from './launch-pooled.js';
import type { ParkedContainer } from './parked-containers.js';
import { RestShapes } from './rest-shapes.js';

/**
 * Takes addresses for a container that waits without its networks, as they are taken for one that is made. Where that fails, or can't be, nothing is left
 * of the networks, and the container is let go.
 *
 * @returns `null`: one of the networks is made by plugins of CNI since, in a network namespace that is made before its container
 * @throws as `networksFor`; SyscallError: a file of the host can't be read
 */
export async function joinLater(container: ParkedContainer): Promise<ParkedContainer | null> {
  if (!container.plan.joinsLater) return container;
  try {
    const joined = await onNetworks(container);
    if (joined === null) await letGo(container);
    return joined;
  } catch (error) {
    await letGo(container);
    throw toldOfProfile(error, container.options.profile);
  }
}

async function onNetworks(container: ParkedContainer): Promise<ParkedContainer | null> {
  const { options } = container;
  const recorded = container.recorded();
  const { id, hostname, shim, userns: users, table } = recorded;
  const networks = await networksFor(options, { id, owner: shim.owner, users, park: false });
  try {
    if (networks.namespace !== null) {
      networks.release();
      return null;
    }
    const contents = etcFiles(options, { hostname, ...networks });
    const own = { networks, table: { ...table, files: withContents(table.files, contents) } };
    return {
      ...container,
      networks,
      // the rest of the plan has the address in it, so those kept for other runs don't fit
      shapes: new RestShapes(),
      recorded: () => ({ ...recorded, ...own }),
      prepared: () => ({ ...container.prepared(), ...own }),
      release: () => releaseAll([networks, container], false),
    };
  } catch (error) {
    try {
      networks.release();
    } catch (failure) {
      throw withCleanupError(error, toError(failure));
    }
    throw error;
  }
}
