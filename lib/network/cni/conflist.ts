import * as z from 'zod';
import { checkOptions } from '../../options/parse-options.js';
import { CNI_VERSIONS, isCniVersion } from './cni-version.js';

// The configuration of a network (SPEC.md of containernetworking/cni, section 1). What the specification doesn't name belongs to a plugin, and is
// handed on as it is. Pure.

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Keys that the runtime fills in. */
function isReserved(key: string): boolean {
  return key === 'runtimeConfig' || key === 'prevResult' || key.startsWith('cni.dev/');
}

const pluginSchema = z
  .looseObject({
    type: z
      .string()
      .refine(
        (type) => type !== '' && type !== '.' && type !== '..' && !/[/\\\0]/.test(type),
        'must be the file name of a plugin, without a path',
      ),
    capabilities: z.record(z.string(), z.boolean()).optional(),
  })
  .superRefine((plugin, context) => {
    for (const key of Object.keys(plugin).filter(isReserved)) {
      context.addIssue({ code: 'custom', path: [key], message: 'is for the runtime to fill in' });
    }
  });

/** libcni takes words for them, too. */
const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')], { error: 'must be true or false' });

const common = {
  cniVersion: z.string().optional(),
  cniVersions: z.array(z.string()).optional(),
  name: z.string().regex(NAME, "must have letters, digits, '_', '.' and '-', of which the first is a letter or a digit"),
};

const listSchema = z
  .looseObject({
    ...common,
    disableCheck: flag.optional(),
    disableGC: flag.optional(),
    loadOnlyInlinedPlugins: flag.optional(),
    plugins: z.array(pluginSchema).min(1, 'has no plugin').optional(),
  })
  .superRefine(({ plugins, loadOnlyInlinedPlugins }, context) => {
    if (plugins === undefined && loadOnlyInlinedPlugins) context.addIssue({ code: 'custom', path: ['plugins'], message: 'is missing' });
  });

/** A file for one plugin, as before there were lists: *.conf. */
const singleSchema = z.looseObject({ ...common, type: z.string() });

/** What one plugin is to do. */
export type PluginConf = z.output<typeof pluginSchema>;

/** A network as it is configured. */
export interface Conflist {
  readonly name: string;
  /** Versions of the specification that the configuration is for. */
  readonly versions: readonly string[];
  readonly disableCheck: boolean;
  readonly disableGC: boolean;
  readonly plugins: readonly PluginConf[];
}

/** A configuration as it is written, which may have more plugins in files beside it. */
export interface WrittenConflist extends Conflist {
  readonly loadsMore: boolean;
}

/** Reads a list, or the configuration of one plugin. Returns the problem in words when it is none, with the place that it is in. */
export function readConflist(given: unknown): WrittenConflist | string {
  const isSingle = typeof given === 'object' && given !== null && 'type' in given && !('plugins' in given);
  return isSingle ? readSingle(given) : readList(given);
}

function readList(given: unknown): WrittenConflist | string {
  const read = checkOptions(listSchema, given);
  if ('problems' in read) return wordsOf(read.problems);
  const { name, plugins = [], disableCheck = false, disableGC = false, loadOnlyInlinedPlugins = false } = read.value;
  const versions = versionsOf(read.value);
  if (typeof versions === 'string') return versions;
  return { name, versions, disableCheck, disableGC, plugins, loadsMore: !loadOnlyInlinedPlugins };
}

function readSingle(given: object): WrittenConflist | string {
  const read = checkOptions(singleSchema, given);
  if ('problems' in read) return wordsOf(read.problems);
  const { cniVersion, cniVersions, name, ...rest } = read.value;
  const versions = versionsOf({ cniVersion, cniVersions });
  if (typeof versions === 'string') return versions;
  const plugin = readPlugin(rest);
  if (typeof plugin === 'string') return plugin;
  return { name, versions, disableCheck: false, disableGC: false, plugins: [plugin], loadsMore: false };
}

/** Reads the configuration of one plugin. Returns the problem in words when it is none. */
export function readPlugin(given: unknown): PluginConf | string {
  const read = checkOptions(pluginSchema, given);
  return 'problems' in read ? wordsOf(read.problems) : read.value;
}

function versionsOf({ cniVersion, cniVersions = [] }: { cniVersion?: string | undefined; cniVersions?: string[] | undefined }) {
  const versions = [...new Set([...(cniVersion === undefined ? [] : [cniVersion]), ...cniVersions])];
  if (versions.length === 0) return 'cniVersion: is missing: a version of the specification is needed';
  if (versions.some(isCniVersion)) return versions;
  return `cniVersion: is ${versions.join(' and ')}, and nacelle speaks ${CNI_VERSIONS.join(', ')}`;
}

function wordsOf(problems: readonly { readonly name: string; readonly text: string }[]): string {
  return problems.map(({ name, text }) => (name === '' ? text : `${name}: ${text}`)).join('; ');
}
