import type { JoinedNetworks } from '../../network/bridge/join-networks.js';
import { releaseAll } from '../../network/bridge/parts.js';
import { toldOfProfile } from '../options/profiles.js';
import { withContents } from '../plan/default-mounts.js';
import { networksFor } from '../start/container-networks.js';
import { etcFiles } from '../start/etc-files.js';
import type { ParkedContainer } from './parked-containers.js';
import { RestShapes } from './rest-shapes.js';

/** A container that waits, and what it joins with its run. */
export interface JoinedContainer extends ParkedContainer {
  /** `null`: it has its networks already, or none. */
  readonly networks: Pick<JoinedNetworks, 'ready' | 'handOver'> | null;
}

/**
 * Takes addresses for a container that waits without its networks, as they are taken for one that is made. A failure leaves nothing of the networks; the
 * container is the caller's to undo.
 *
 * @throws as `networksFor`
 */
export async function joinLater(container: ParkedContainer): Promise<JoinedContainer> {
  if (!container.plan.joinsLater) return { ...container, networks: null };
  const { options } = container;
  const recorded = container.recorded();
  const { id, hostname, shim, userns: users, table } = recorded;
  const networks = await networksFor(options, { id, owner: shim.owner, users, park: false }).catch((error: unknown) => {
    throw toldOfProfile(error, options.profile);
  });
  const contents = etcFiles(options, { hostname, ...networks });
  const own = { networks, table: { ...table, files: withContents(table.files, contents) } };
  return {
    ...container,
    networks,
    // another address is another rest
    shapes: new RestShapes(),
    recorded: () => ({ ...recorded, ...own }),
    prepared: () => ({ ...container.prepared(), ...own }),
    release: () => releaseAll([networks, container], false),
  };
}
