import { isAbsolute } from 'node:path';

/** Flags before the command that have a value. */
const TAKE_NEXT = ['root', 'log', 'log-format', 'rootless', 'cgroup-manager'];

/** Root's, unless `--root` says so; those of others who have a folder of their own are there (`defaultRoot`). */
export const DEFAULT_ROOT = '/run/nacelle-oci';

/** What is read of a command line before the command itself is loaded. */
interface ReadAhead {
  /** The folder of all states. `null`: it is read later, and then refused, or is below the working folder. */
  readonly root: string | null;
  /** The command's name; `null` where there is none. */
  readonly name: string | null;
}

/** Reads what the boot needs of a command line. Pure. */
export function readAhead(args: readonly string[]): ReadAhead {
  let root = DEFAULT_ROOT;
  let at = 0;
  for (; at < args.length; ++at) {
    const [, name, value] = /^--?([a-z-]+)(?:=(.*))?$/s.exec(args[at] ?? '') ?? [];
    if (name === undefined) break;
    const takesNext = value === undefined && TAKE_NEXT.includes(name);
    if (takesNext) ++at;
    if (name === 'root') root = value ?? args[at] ?? '';
  }
  return { root: isAbsolute(root) ? root : null, name: args[at] ?? null };
}
