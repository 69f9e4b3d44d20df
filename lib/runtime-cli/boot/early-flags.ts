import { isAbsolute } from 'node:path';
import { globalFlags } from './global-flags.js';

/** Root's, unless `--root` says so; those of others who have a folder of their own are there (`defaultRoot`). */
export const DEFAULT_ROOT = '/run/nacelle-oci';

/** What is read of a command line before the command itself is loaded. */
interface EarlyFlags {
  /** The folder of all states. `null`: it is read later, and then refused, or is below the working folder. */
  readonly root: string | null;
  /** The command's name; `null` where there is none. */
  readonly name: string | null;
}

/** Reads what the boot needs of a command line. Pure. */
export function earlyFlagsOf(args: readonly string[]): EarlyFlags {
  let root = DEFAULT_ROOT;
  let at = 0;
  for (; at < args.length; ++at) {
    const [, name, value] = /^--?([a-z-]+)(?:=(.*))?$/s.exec(args[at] ?? '') ?? [];
    if (name === undefined) break;
    const takesNext = value === undefined && globalFlags[name] === 'value';
    if (takesNext) ++at;
    if (name === 'root') root = value ?? args[at] ?? '';
  }
  return { root: isAbsolute(root) ? root : null, name: args[at] ?? null };
}
