import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { env } from 'node:process';
import { type Feature, lacking, works } from './feature.js';

/** Where distributions put plugins of CNI: upstream's own place, Debian's, Fedora's. */
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

/** Whether any plugin is here: which of them a configuration needs is for it to say. */
export function cniFeature(path: readonly string[] = cniPath()): Feature {
  const hasPlugin = path.some((folder) => namesIn(folder).some((name) => isExecutable(join(folder, name))));
  if (hasPlugin) return works;
  return lacking(
    `none of ${path.join(', ')} has a plugin of CNI`,
    'Install some (Debian: containernetworking-plugins), or name their folder in the variable CNI_PATH.',
  );
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // there is no such folder, or none that this user may list
    return [];
  }
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
