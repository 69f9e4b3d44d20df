import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { hasCode, invalidOption } from '../../errors.js';
import { attempting } from '../../native/system-errors.js';
import { type Conflist, type PluginConf, readConflist, readPlugin } from './conflist.js';

/** The option, in the caller's words. */
const OPTION = 'driver.cni';

/**
 * Reads the configuration of a network: from a file, with what is in the folder of the network's name beside that, or as it is given.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`, which names the file and the place in it; SyscallError
 */
export async function loadConflist(given: string | object): Promise<{ readonly list: Conflist; readonly file: string | null }> {
  if (typeof given === 'object') {
    // a copy, as plain data: the caller may change the object later
    return { list: whole(readConflist(JSON.parse(JSON.stringify(given))), null), file: null };
  }
  const file = resolve(given);
  const { loadsMore, ...list } = whole(readConflist(await readJson(file)), file);
  const more = loadsMore ? await pluginsBeside(file, list.name) : [];
  if (list.plugins.length + more.length === 0) throw wrong(file, 'plugins: is missing');
  return { list: { ...list, plugins: [...list.plugins, ...more] }, file };
}

function whole<T extends object & { readonly plugins: readonly PluginConf[] }>(read: T | string, file: string | null): T {
  if (typeof read === 'string') throw wrong(file, read);
  if (file === null && read.plugins.length === 0) throw wrong(file, 'plugins: is missing');
  return read;
}

/** The specification lets plugins lie in files of their own, in the order of their names, which is libcni's. */
async function pluginsBeside(file: string, name: string): Promise<PluginConf[]> {
  const folder = join(dirname(file), name);
  const names = await attempting(`list ${folder}`, () =>
    readdir(folder).catch((error: unknown) => {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
      throw error;
    }),
  );
  const plugins: PluginConf[] = [];
  for (const one of names.filter((each) => each.endsWith('.conf')).sort()) {
    const path = join(folder, one);
    const plugin = readPlugin(await readJson(path));
    if (typeof plugin === 'string') throw wrong(path, plugin);
    plugins.push(plugin);
  }
  return plugins;
}

async function readJson(file: string): Promise<unknown> {
  const text = await attempting(`read ${file}`, () => readFile(file, 'utf8'));
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalidOption(OPTION, `is ${file}, which is no JSON`, cause);
  }
}

function wrong(file: string | null, problem: string) {
  return invalidOption(OPTION, file === null ? problem : `is ${file}, which is no configuration of CNI: ${problem}`);
}
