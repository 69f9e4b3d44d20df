import { chmodSync, realpathSync, writeFileSync } from 'node:fs';
import { isNacelleError, toError, UnsupportedError } from '../errors.js';
import { loadNative } from '../native/load-addon.js';
import { endShim } from '../native/shim.js';
import { attempt } from '../native/system-errors.js';
import { DEFAULT_ROOT } from './boot/early-flags.js';
import { globalFlags } from './boot/global-flags.js';
import { type Caller, ownCaller } from './caller/caller.js';
import { defaultRoot, ownRights } from './caller/rights.js';
import { asksForHelp, commandHelp, isCommandName } from './command-help.js';
import { type Flags, parseFlags } from './command-line.js';
import { usageError } from './config/runtime-error.js';
import { OCI_VERSION } from './create-facts.js';
import { frontText } from './front/front-file.js';
import { CLEARED, launcherText, requireTrusted } from './launcher.js';
import { toldOf } from './program-failure.js';
import { servePlanner } from './resident/resident-planner.js';
import { rootlessOf } from './rootless-flag.js';
import { type Called, commands, flagsOf } from './runtime-commands.js';
import { RuntimeLog } from './runtime-log.js';
import { print } from './runtime-output.js';

/** Of runc, those that this runtime does not have: each is refused by its name. */
const MISSING = ['checkpoint', 'restore'];

const USAGE = `NAME:
   nacelle-oci - an OCI runtime

USAGE:
   nacelle-oci [--root DIR] [--log FILE] [--log-format text|json] [--systemd-cgroup | --cgroup-manager cgroupfs|systemd] [--rootless auto|true|false] [--debug] COMMAND [flags] [words]

COMMANDS:
   create, start, run, state, kill, delete, exec, list, ps, pause, resume, update, events,
   spec, features
   install [--resident SECONDS] FILE
                   writes an executable of this runtime that names all it starts by absolute paths

nacelle-oci COMMAND --help and docs/oci.md say what each takes.
`;

/**
 * The command `nacelle-oci`. What fails is told on standard error, and in the file of `--log`.
 *
 * @param args without the interpreter and the script
 * @returns the exit status: 1 for a failure, 255 for one of `exec`
 */
export async function main(args: readonly string[], version: string): Promise<number> {
  try {
    return await doCommand(args, version, ownCaller());
  } finally {
    // the container's process belongs to the caller's reaper only when the shim has gone
    await endShim();
  }
}

/** Does a command, but for the end of the shim that it was done with. @param caller whose command it is @returns the exit status */
async function doCommand(args: readonly string[], version: string, caller: Caller): Promise<number> {
  let log: RuntimeLog | null = null;
  let name = '';
  try {
    const flags = parseFlags(args, globalFlags, { short: { v: 'version', h: 'help' } });
    const told = new RuntimeLog(flags, caller);
    log = told;
    name = flags.words[0] ?? '';
    return await runCommand(name, flags, { version, caller, debug: (text) => told.debug(text) });
  } catch (error) {
    const message = toldOf(toError(error));
    // callers read the last line
    if (isNacelleError(error) && error.cleanupError) caller.tell(`while this was undone: ${error.cleanupError.message}`);
    caller.tell(message);
    if (!caller.hasGone()) log?.error(message);
    return name === 'exec' ? 255 : 1;
  }
}

/** What a command is done with, whatever its flags are. */
interface Given extends Pick<Called, 'caller' | 'debug'> {
  readonly version: string;
}

async function runCommand(name: string, flags: Flags, { version, caller, debug }: Given): Promise<number> {
  if (flags.has('version')) return print(`nacelle-oci version ${version}\nspec: ${OCI_VERSION}`);
  if (flags.has('help') || name === '' || name === 'help') return print(USAGE.trimEnd());
  const words = flags.words.slice(1);
  if (name === 'install') return install(words);
  if (name === 'planner') return planner(words, flags, version);
  if (MISSING.includes(name)) throw new UnsupportedError(`the command ${name}`, 'this runtime does not have it');
  if (!isCommandName(name)) throw usageError(`No help topic for '${name}'`);
  const command = commands[name];
  if (asksForHelp(words)) return print(commandHelp(name, command.flags, command.short));
  const systemd = isSystemd(flags);
  const rights = ownRights(rootlessOf(flags.value('rootless')), systemd);
  const named = flags.value('root');
  const root = caller.absolute(named ?? defaultRoot(caller.env));
  return command.run({ caller, debug, rights, root, isNamed: named !== null, systemd, flags: flagsOf(name, command, words) });
}

/** crun's flag says in the place of runc's `--systemd-cgroup` who makes the groups. @throws NacelleError `ERR_INVALID_OPTION` */
function isSystemd(flags: Flags): boolean {
  const manager = flags.value('cgroup-manager');
  if (manager === 'disabled')
    throw new UnsupportedError(
      '--cgroup-manager disabled',
      "a container's limits, and its end as a whole, are those of its control groups",
    );
  if (manager !== null && manager !== 'cgroupfs' && manager !== 'systemd')
    throw usageError(`unknown cgroup manager ${JSON.stringify(manager)}`);
  const systemd = flags.has('systemd-cgroup');
  if (systemd && manager === 'cgroupfs') throw usageError('--systemd-cgroup and --cgroup-manager cgroupfs exclude each other');
  return systemd || manager === 'systemd';
}

/** Seconds that a resident planner may stay. */
const LONGEST_STAY = 86_400;

function secondsOf(text: string | undefined): number {
  const seconds = Number(text);
  if (!/^\d{1,5}$/.test(text ?? '') || seconds < 1 || seconds > LONGEST_STAY)
    throw usageError(`a resident planner stays for 1 to ${LONGEST_STAY} seconds, not ${JSON.stringify(text ?? '')}`);
  return seconds;
}

/** Started by the front, for the commands after this one. */
async function planner(words: readonly string[], flags: Flags, version: string): Promise<number> {
  const root = flags.value('root') ?? DEFAULT_ROOT;
  const options = { root, idleMs: secondsOf(words[0]) * 1000, cleared: CLEARED };
  await servePlanner(options, (args, caller) => doCommand(args, version, caller));
  return 0;
}

/** Writes the executable that engines are given. */
function install(args: readonly string[]): number {
  const flags = parseFlags(args, { resident: 'value' });
  const [path] = flags.words;
  const stay = flags.value('resident');
  const resident = stay === null ? null : secondsOf(stay);
  if (path === undefined || flags.words.length > 1)
    throw usageError('nacelle-oci: "install" requires exactly 1 argument: the file to write');
  // in the package this module is in another file than the one that Node is started with
  const script = attempt('find the command', () => realpathSync(process.argv[1] ?? ''));
  const shim = attempt('find the shim', () => realpathSync(loadNative().shim));
  for (const file of [process.execPath, script, shim]) requireTrusted(file);
  const front = frontText({ shim, node: process.execPath, script, root: DEFAULT_ROOT, resident, unset: CLEARED });
  if (front === null && resident !== null)
    throw new UnsupportedError('a resident planner', `no first line can name ${shim}, which is too long or has spaces`);
  attempt(`write ${path}`, () => {
    writeFileSync(path, front ?? launcherText(process.execPath, script));
    chmodSync(path, 0o755);
  });
  return 0;
}
