import { CniError, doAll } from '../../errors.js';
import { findPlugin } from '../../host/cni-feature.js';
import { type CniResult, readResult, readVersions } from './cni-result.js';
import { type CniVersion, highestCommon, isAtLeast } from './cni-version.js';
import type { Conflist, PluginConf } from './conflist.js';
import { type AttachmentRequest, type CniCommand, environmentOf, requestOf } from './request.js';
import { runPlugin } from './run-plugin.js';

// What is done with the plugins of a network, in their order (SPEC.md of containernetworking/cni, section 3). Nobody else may do something for the
// same container meanwhile: that is the caller's part.

/** The plugins of a network, and how they are run. */
export interface PluginChain {
  readonly list: Conflist;
  /** Of the specification. */
  readonly version: CniVersion;
  /** The folders with plugins. */
  readonly path: readonly string[];
  /** ms that one plugin may take. */
  readonly timeout: number;
  /** The network namespace to run them in, by a descriptor. Default: that of this process. */
  readonly within?: number | null;
}

/** What an ADD has given: as it was printed, for the plugins, and as it was read. */
export interface Added {
  readonly printed: unknown;
  readonly result: CniResult;
}

/**
 * Attaches a container. When a plugin fails, a DEL has to follow all the same.
 *
 * @throws CniError; the signal's reason
 */
export async function addBy(chain: PluginChain, attachment: AttachmentRequest, signal: AbortSignal | null = null): Promise<Added> {
  let added: Added | null = null;
  for (const plugin of chain.list.plugins) {
    const printed = await call(chain, plugin, 'ADD', attachment, { prevResult: added?.printed, signal });
    // each result is the next one's input, so a strange one is told of whoever printed it
    added = { printed, result: readAdded(chain, plugin, printed) };
  }
  if (added === null) throw new RangeError('a network has a plugin');
  return added;
}

function readAdded({ version, path }: PluginChain, { type }: PluginConf, printed: unknown): CniResult {
  const result = readResult(printed, version);
  if (typeof result !== 'string') return result;
  const file = findPlugin(type, path) ?? '';
  throw new CniError(`ADD by the plugin ${type} (${file}): its result can't be understood: ${result}`, {
    code: 'ERR_CNI_OUTPUT',
    plugin: type,
    path: file,
    command: 'ADD',
  });
}

/**
 * Detaches a container: the last plugin first. DEL is best effort, so a plugin that fails keeps none of the others from it.
 *
 * @param prevResult what the ADD printed; `null` where that failed
 * @throws CniError: the first failure, with the others
 */
export async function deleteBy(chain: PluginChain, attachment: AttachmentRequest, prevResult: unknown): Promise<void> {
  const given = isAtLeast(chain.version, '0.4.0') ? { prevResult } : {};
  await doAll(chain.list.plugins.toReversed().map((plugin) => () => call(chain, plugin, 'DEL', attachment, given)));
}

/** Whether containers can be checked: the configuration may forbid that. */
export function canCheck({ list, version }: Pick<PluginChain, 'list' | 'version'>): boolean {
  return !list.disableCheck && isAtLeast(version, '0.4.0');
}

/** Asks whether a container is attached as it should be. @throws CniError */
export async function checkBy(chain: PluginChain, attachment: AttachmentRequest, prevResult: unknown): Promise<void> {
  if (!canCheck(chain)) return;
  for (const plugin of chain.list.plugins) await call(chain, plugin, 'CHECK', attachment, { prevResult });
}

/** Asks whether the plugins could attach a container. @throws CniError */
export async function statusOf(chain: PluginChain): Promise<void> {
  if (!isAtLeast(chain.version, '1.1.0')) return;
  for (const plugin of chain.list.plugins) await call(chain, plugin, 'STATUS', null, {});
}

/** Has the plugins remove what no attachment has. @throws CniError: the first failure, when all were told, with the others */
export async function collectBy(
  chain: PluginChain,
  validAttachments: readonly { readonly containerID: string; readonly ifname: string }[],
): Promise<void> {
  if (chain.list.disableGC || !isAtLeast(chain.version, '1.1.0')) return;
  await doAll(chain.list.plugins.map((plugin) => () => call(chain, plugin, 'GC', null, { validAttachments })));
}

/**
 * The highest version of the specification that the configuration, its plugins and this runtime have in common.
 *
 * @throws CniError; `null`: there is none
 */
export async function commonVersion(
  list: Conflist,
  { path, timeout }: Pick<PluginChain, 'path' | 'timeout'>,
): Promise<{ readonly version: CniVersion | null; readonly ofPlugins: readonly { type: string; versions: readonly string[] }[] }> {
  const ofPlugins: { type: string; versions: readonly string[] }[] = [];
  const asked = highestCommon(list.versions);
  for (const { type } of list.plugins) {
    if (ofPlugins.some((known) => known.type === type)) continue;
    const env = environmentOf('VERSION', path, null);
    const printed = await runPlugin({ type, command: 'VERSION', path, env, request: { cniVersion: asked }, timeout });
    const versions = readVersions(printed);
    if (versions === null) {
      const file = findPlugin(type, path) ?? '';
      const message = `VERSION by the plugin ${type} (${file}): it printed no list of versions`;
      throw new CniError(message, { code: 'ERR_CNI_OUTPUT', plugin: type, path: file, command: 'VERSION' });
    }
    ofPlugins.push({ type, versions });
  }
  return { version: highestCommon(list.versions, ...ofPlugins.map(({ versions }) => versions)), ofPlugins };
}

async function call(
  { list, version, path, timeout, within = null }: PluginChain,
  plugin: PluginConf,
  command: CniCommand,
  attachment: AttachmentRequest | null,
  more: Pick<Parameters<typeof requestOf>[1], 'prevResult' | 'validAttachments'> & { readonly signal?: AbortSignal | null },
): Promise<unknown> {
  const { signal = null, ...given } = more;
  const request = requestOf(plugin, { name: list.name, version, capabilities: attachment?.capabilities ?? {}, ...given });
  const env = environmentOf(command, path, attachment);
  return runPlugin({ type: plugin.type, command, path, env, request, timeout, signal, within });
}
