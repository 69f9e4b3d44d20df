import * as z from 'zod';
import { NacelleError } from '../../errors.js';
import { cniPath } from '../../host/cni-feature.js';
import { absolutePath, text } from '../../options/common-schemas.js';
import { commonVersion, type PluginChain } from './chain.js';
import { CNI_VERSIONS } from './cni-version.js';
import { pluginList } from './plugin-list.js';
import { loadConflist } from './read-conflist.js';
import { requirePlugins } from './require-plugins.js';

/** The driver of a network that plugins of CNI make. */
export interface CniDriver {
  /** A file with a list of plugins (*.conflist) or the configuration of one (*.conf), or such a configuration itself. */
  readonly cni: string | object;
  /** CNI_ARGS: what plugins are told of every container. Neither names nor values have ';' or '='. Default none. */
  readonly args?: Readonly<Record<string, string>> | undefined;
  /** ms that one plugin may take for one container before it is killed. Default 60,000. */
  readonly timeout?: number | undefined;
}

const argument = text.regex(/^[^;=]*$/, "must have neither ';' nor '='");

/** A path is one of this process's, as for other files that a caller names. */
const conflist = z.union([text.min(1), z.record(z.string(), z.unknown())], { error: 'must be a path, or the configuration itself' });

export const cniDriver = z.strictObject({
  cni: conflist,
  args: z.record(argument.min(1), argument).optional(),
  timeout: z
    .number()
    .min(1)
    .max(2 ** 31 - 1)
    .optional(),
});

/** What is written down of the plugins of a network. */
export const pluginShape = {
  list: pluginList,
  /** Of the specification: it is found out once. */
  version: z.enum(CNI_VERSIONS),
  /** Where the configuration was read from. */
  file: absolutePath.nullable(),
  args: z.record(z.string(), z.string()),
  timeout: z.number(),
};

export type PluginSettings = z.output<z.ZodObject<typeof pluginShape>>;

const TIMEOUT = 60_000;

/**
 * Finds out what a network of plugins is: reads its configuration, looks for the plugins, and asks each for the versions that it speaks.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`, `ERR_CNI_VERSION` where there is no version that all speak; CniError; SyscallError
 */
export async function settlePlugins({ cni, args = {}, timeout = TIMEOUT }: z.output<typeof cniDriver>): Promise<PluginSettings> {
  const { list: read, file } = await loadConflist(cni);
  const { name, versions, disableCheck, disableGC } = read;
  const list = { name, versions: [...versions], disableCheck, disableGC, plugins: [...read.plugins] };
  const path = cniPath();
  requirePlugins(list.plugins, path);
  const { version, ofPlugins } = await commonVersion(list, { path, timeout });
  if (version !== null) return { list, version, file, args, timeout };
  const spoken = ofPlugins.map((plugin) => `${plugin.type} speaks ${plugin.versions.join(', ')}`).join('; ');
  const message = `make a network of CNI: its configuration is for ${versions.join(', ')}, nacelle speaks ${CNI_VERSIONS.join(', ')}; ${spoken}`;
  throw new NacelleError(message, { code: 'ERR_CNI_VERSION' });
}

/** The plugins as they are to be run now: they are looked for in the folders of CNI_PATH as it is. */
export function chainOf({ list, version, timeout }: Pick<PluginSettings, 'list' | 'version' | 'timeout'>): PluginChain {
  return { list, version, timeout, path: cniPath() };
}
