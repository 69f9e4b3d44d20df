import { isAbsolute } from 'node:path';

/** Root's, unless `--root` says so; those of others who have a folder of their own are there (`defaultRoot`). */
export const DEFAULT_ROOT = '/run/nacelle-oci';

/**
 * The folder of all states that a command line names, read before the command itself is loaded. Pure.
 *
 * @returns `null`: it is read later, and then refused, or is below the working folder
 */
export function statesRoot(args: readonly string[]): string | null {
  let root = DEFAULT_ROOT;
  for (let at = 0; at < args.length; ++at) {
    const [, name, value] = /^--?([a-z-]+)(?:=(.*))?$/s.exec(args[at] ?? '') ?? [];
    if (name === undefined) break;
    const takesNext = value === undefined && (name === 'root' || name === 'log' || name === 'log-format' || name === 'rootless');
    if (takesNext) ++at;
    if (name === 'root') root = value ?? args[at] ?? '';
  }
  return isAbsolute(root) ? root : null;
}
