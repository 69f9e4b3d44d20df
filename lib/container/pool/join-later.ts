import { toError, withCleanupError } from '../../errors.js';
import { releaseAll } from '../../network/bridge/parts.js';
import { toldOfProfile } from '../options/profiles.js';
import { type EtcFiles, withContents } from '../plan/default-mounts.js';
import { type ContainerNetworks, networksFor } from '../start/container-networks.js';
import type { Recorded } from '../start/container-record.js';
import { etcFiles } from '../start/etc-files.js';
import type { Prepared } from '../start/prepare.js';
import { letGo } from './launch-pooled.js';
import { announces, valuesOf } from './link-shapes.js';
import type { ParkedContainer } from './parked-container.js';

/** The networks of a container that waited without them, and the files that tell it of them. */
interface Joined {
  readonly networks: ContainerNetworks;
  readonly files: EtcFiles;
}

/**
 * Takes addresses for a run's container that waits without its networks, if it does. Where that fails, or can't be, the container is let go.
 *
 * @returns as {@link joinNow}
 * @throws as {@link joinNow}
 */
export async function joinLater(container: ParkedContainer): Promise<ParkedContainer | null> {
  if (!container.plan.joinsLater || container.networks !== null) return container;
  try {
    const joined = await joinNow(container, { isAhead: false });
    if (joined === null) await letGo(container);
    return joined;
  } catch (error) {
    await letGo(container);
    throw toldOfProfile(error, container.options.profile);
  }
}

/**
 * Takes addresses for a container that waits without its networks, as they are taken for one that is made. Where that fails, or can't be, nothing is left
 * of the networks.
 *
 * @param of.isAhead for a run that nobody has asked for yet
 * @returns `null`: one of the networks is made by plugins of CNI since, in a network namespace that is made before its container
 * @throws as `networksFor`; SyscallError: a file of the host can't be read
 */
export async function joinNow(container: ParkedContainer, { isAhead }: { readonly isAhead: boolean }): Promise<ParkedContainer | null> {
  const joined = await joinedBy(container, isAhead);
  return joined && withNetworks(container, joined);
}

async function joinedBy(container: ParkedContainer, isAhead: boolean): Promise<Joined | null> {
  const { options } = container;
  const { id, hostname, shim, userns: users } = container.recorded();
  const networks = await networksFor(options, { id, owner: shim.owner, users, park: false, isAhead });
  try {
    if (networks.namespace === null) return { networks, files: etcFiles(options, { hostname, ...networks }) };
    networks.release();
    return null;
  } catch (error) {
    try {
      networks.release();
    } catch (failure) {
      throw withCleanupError(error, toError(failure));
    }
    throw error;
  }
}

function withNetworks(container: ParkedContainer, joined: Joined): ParkedContainer {
  const { networks, files } = joined;
  let own: Pick<Prepared, 'networks' | 'table'> | undefined;
  const withOwn = <T extends Recorded>(before: T): T => {
    own ??= { networks, table: { ...before.table, files: withContents(before.table.files, files) } };
    return { ...before, ...own };
  };
  let recorded: Recorded | undefined;
  let prepared: Prepared | undefined;
  return {
    ...container,
    networks,
    values: [...container.values, ...networks.attachments.flatMap(valuesOf)],
    ground: [files.resolvConf, networks.hasIpv6, ...networks.ways, ...networks.attachments.map(announces)],
    recorded() {
      recorded ??= withOwn(container.recorded());
      return recorded;
    },
    prepared() {
      prepared ??= withOwn(container.prepared());
      return prepared;
    },
    forRun: (options) => withNetworks(container.forRun(options), joined),
    release: () => releaseAll([networks, container], false),
  };
}
