import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { env } from 'node:process';
import { invalidOption } from '../../errors.js';
import type { PluginConf } from './conflist.js';

/** Where distributions put plugins: upstream's own place, Debian's, Fedora's. */
const USUAL = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'];

/** The folders with plugins: those of the variable CNI_PATH, as it is now, or the usual ones. */
export function cniPath(): string[] {
  const given = (env.CNI_PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => resolve(folder));
  return given.length > 0 ? given : USUAL;
}

/** The executable of a plugin; `null` where no folder has one. */
export function findPlugin(type: string, path: readonly string[]): string | null {
  return path.map((folder) => join(folder, type)).find(isExecutable) ?? null;
}

/** @throws NacelleError `ERR_INVALID_OPTION`, which names the folders that were searched */
export function requirePlugins(plugins: readonly PluginConf[], path: readonly string[]): void {
  const [missing] = plugins.filter(({ type }) => findPlugin(type, path) === null);
  if (missing === undefined) return;
  const cure = 'Install it (Debian: containernetworking-plugins), or name its folder in the variable CNI_PATH';
  throw invalidOption('driver.cni', `has the plugin '${missing.type}', which is in none of ${path.join(', ')}. ${cure}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // there is none, or it can't be run
    return false;
  }
}
