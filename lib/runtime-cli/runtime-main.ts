import { appendFileSync, chmodSync, realpathSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { geteuid } from 'node:process';
import { isNacelleError, toError, UnsupportedError } from '../errors.js';
import { now } from '../native/clock.js';
import { loadNative } from '../native/load-addon.js';
import { endShim } from '../native/shim.js';
import { attempt } from '../native/system-errors.js';
import { DEFAULT_ROOT } from './boot/states-root.js';
import { type Flags, type FlagTable, parseFlags } from './command-line.js';
import { usageError } from './config/runtime-error.js';
import { OCI_VERSION } from './create-facts.js';
import { frontText } from './front/front-file.js';
import { CLEARED, launcherText, requireTrusted } from './launcher.js';
import { commands, flagsOf } from './runtime-commands.js';
import { print, tell } from './runtime-output.js';

const globalFlags: FlagTable = {
  ...{ root: 'value', log: 'value', 'log-format': 'value', debug: 'switch' },
  ...{ 'systemd-cgroup': 'switch', rootless: 'value', version: 'switch', help: 'switch' },
};

/** Of runc, those that this runtime does not have: each is refused by its name. */
const MISSING = ['checkpoint', 'restore'];

const USAGE = `nacelle-oci - an OCI runtime

USAGE:
   nacelle-oci [--root DIR] [--log FILE] [--log-format text|json] [--systemd-cgroup] [--debug] COMMAND [flags] [words]

COMMANDS:
   create, start, run, state, kill, delete, exec, list, ps, pause, resume, update, events,
   spec, features
   install FILE    writes an executable of this runtime that names all it starts by absolute paths

docs/oci.md says what each takes.
`;

/**
 * The command `nacelle-oci`. What fails is told on standard error, and in the file of `--log`.
 *
 * @param args without the interpreter and the script
 * @returns the exit status: 1 for a failure, 255 for one of `exec`
 */
export async function main(args: readonly string[], version: string): Promise<number> {
  let flags: Flags | null = null;
  let name = '';
  try {
    flags = parseFlags(args, globalFlags, { v: 'version', h: 'help' });
    name = flags.words[0] ?? '';
    return await runCommand(name, flags, version);
  } catch (error) {
    const { message } = toError(error);
    // callers read the last line
    if (isNacelleError(error) && error.cleanupError) tell(`while this was undone: ${error.cleanupError.message}`);
    tell(message);
    if (flags !== null) log(flags, message);
    return name === 'exec' ? 255 : 1;
  } finally {
    // the container's process belongs to the caller's reaper only when the shim has gone
    endShim();
  }
}

async function runCommand(name: string, flags: Flags, version: string): Promise<number> {
  if (flags.has('version')) return print(`nacelle-oci version ${version}\nspec: ${OCI_VERSION}`);
  if (flags.has('help') || name === '' || name === 'help') return print(USAGE.trimEnd());
  const words = flags.words.slice(1);
  if (name === 'install') return install(words);
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (MISSING.includes(name)) throw new UnsupportedError(`the command ${name}`, 'this runtime does not have it');
  if (command === undefined) throw usageError(`No help topic for '${name}'`);
  if (flags.value('rootless') === 'true') throw new UnsupportedError('--rootless', 'this runtime is for root alone');
  if (name !== 'features' && name !== 'spec' && geteuid?.() !== 0)
    throw new UnsupportedError('a container of an ordinary user', 'this runtime is for root alone');
  return command.run({
    ...{ root: resolve(flags.value('root') ?? DEFAULT_ROOT), flags: flagsOf(name, command, words) },
    systemd: flags.has('systemd-cgroup'),
  });
}

/** The words of logrus, which callers read: the last line of level error is what they tell. */
function log(flags: Flags, message: string): void {
  const path = flags.value('log');
  if (path === null || path === '') return;
  const time = new Date(now()).toISOString();
  const isJson = flags.value('log-format') === 'json';
  const line = isJson
    ? JSON.stringify({ level: 'error', msg: message, time })
    : `time=${JSON.stringify(time)} level=error msg=${JSON.stringify(message)}`;
  try {
    appendFileSync(path, `${line}\n`, { mode: 0o644 });
  } catch (error) {
    tell(`write ${path}: ${toError(error).message}`);
  }
}

/** Writes the executable that engines are given. */
function install(words: readonly string[]): number {
  const [path] = words;
  if (path === undefined || words.length > 1) throw usageError('nacelle-oci: "install" requires exactly 1 argument: the file to write');
  // in the package this module is in another file than the one that Node is started with
  const script = attempt('find the command', () => realpathSync(process.argv[1] ?? ''));
  const shim = attempt('find the shim', () => realpathSync(loadNative().shim));
  for (const file of [process.execPath, script, shim]) requireTrusted(file);
  const front = frontText({ shim, node: process.execPath, script, root: DEFAULT_ROOT, unset: CLEARED });
  attempt(`write ${path}`, () => {
    writeFileSync(path, front ?? launcherText(process.execPath, script));
    chmodSync(path, 0o755);
  });
  return 0;
}
