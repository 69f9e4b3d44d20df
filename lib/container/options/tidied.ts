import { posix } from 'node:path';

/** An absolute path without '.', '..', and '/' at its end. */
export function tidied(path: string): string {
  // most paths are tidy already, and need no normalising
  return /\/(?:[/.]|$)/.test(path) ? posix.normalize(path).replace(/(?<=.)\/$/, '') : path;
}
