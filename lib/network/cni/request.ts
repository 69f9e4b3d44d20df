import { delimiter } from 'node:path';
import type { CniVersion } from './cni-version.js';
import type { PluginConf } from './conflist.js';

// What a plugin is given: its environment, and its configuration on standard input (SPEC.md of containernetworking/cni, sections 2 and 3). Pure.

export type CniCommand = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION';

/** A container's place in a network, by what its plugins are told of it. */
export interface AttachmentRequest {
  /** The container's. */
  readonly id: string;
  /** The name of its link. */
  readonly interface: string;
  /** A path to its network namespace; `null` where none leads there any more. */
  readonly netns: string | null;
  /** CNI_ARGS. */
  readonly args: Readonly<Record<string, string>>;
  /** What the caller wants of the plugins, by the capability that does it. */
  readonly capabilities: Readonly<Record<string, unknown>>;
}

/** All variables of the protocol: one that is not given must not be inherited. */
const VARIABLES = ['COMMAND', 'CONTAINERID', 'NETNS', 'IFNAME', 'ARGS', 'PATH'] as const;

export function environmentOf(
  command: CniCommand,
  path: readonly string[],
  attachment: AttachmentRequest | null,
): Record<string, string | undefined> {
  const given: Partial<Record<(typeof VARIABLES)[number], string | undefined>> = {
    COMMAND: command,
    PATH: path.join(delimiter),
    ...(attachment === null
      ? {}
      : {
          CONTAINERID: attachment.id,
          IFNAME: attachment.interface,
          NETNS: attachment.netns ?? undefined,
          ARGS: argsOf(attachment.args),
        }),
  };
  return Object.fromEntries(VARIABLES.map((name) => [`CNI_${name}`, given[name]]));
}

function argsOf(args: AttachmentRequest['args']): string | undefined {
  const pairs = Object.entries(args).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? undefined : pairs.join(';');
}

/** The request configuration of one plugin. */
export function requestOf(
  plugin: PluginConf,
  of: {
    readonly name: string;
    readonly version: CniVersion;
    readonly capabilities?: AttachmentRequest['capabilities'];
    readonly prevResult?: unknown;
    readonly validAttachments?: readonly { readonly containerID: string; readonly ifname: string }[];
  },
): object {
  const { capabilities: declared = {}, ...rest } = plugin;
  const asked = Object.entries(of.capabilities ?? {}).filter(([name]) => declared[name] === true);
  return {
    ...rest,
    cniVersion: of.version,
    name: of.name,
    ...(asked.length === 0 ? {} : { runtimeConfig: Object.fromEntries(asked) }),
    ...(of.prevResult == null ? {} : { prevResult: of.prevResult }),
    ...(of.validAttachments === undefined ? {} : { 'cni.dev/valid-attachments': of.validAttachments }),
  };
}
