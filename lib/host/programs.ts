import { accessSync, constants } from 'node:fs';
import { delimiter, resolve } from 'node:path';
import { env } from 'node:process';

/** The absolute path of a program in PATH that this user may run, or `null`. */
export function findProgram(name: string): string | null {
  const paths = (env.PATH ?? '').split(delimiter).map((folder) => resolve(folder, name));
  return paths.find(mayRun) ?? null;
}

function mayRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
