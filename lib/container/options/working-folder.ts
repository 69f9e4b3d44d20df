import { cwd } from 'node:process';

/** The folder that relative paths are of; `null`: it was removed. */
export function workingFolder(): string | null {
  try {
    return cwd();
  } catch {
    return null;
  }
}
