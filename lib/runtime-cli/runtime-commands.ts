import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getegid, geteuid } from 'node:process';
import { doAll, hasCode, toError } from '../errors.js';
import { inspectGroups } from '../host/cgroup-base.js';
import { attempt } from '../native/system-errors.js';
import { parseGoDuration } from '../options/go-duration.js';
import type { Caller } from './caller/caller.js';
import type { Rights } from './caller/rights.js';
import { deleteContainer, killContainer, pauseContainer, resumeContainer, signalOf } from './change-container.js';
import type { CommandName } from './command-help.js';
import { type Flags, type FlagTable, parseFlags } from './command-line.js';
import { NO_GROUPS, refusal, usageError } from './config/runtime-error.js';
import { statsEvent } from './container-stats.js';
import { listContainers } from './containers-table.js';
import { createContainer, leavePlans } from './create-container.js';
import type { CreateRequest } from './create-facts.js';
import { type ExecRequest, execInContainer } from './exec-container.js';
import { subGroupsOf } from './plan/exec-groups.js';
import { MOST_DESCRIPTORS } from './preserved-descriptors.js';
import { psTable } from './ps-table.js';
import { runContainer } from './run-container.js';
import { print } from './runtime-output.js';
import { featuresText, specText } from './runtime-texts.js';
import { failureTold, startDetached } from './start-container.js';
import { containerIds, madeRecord, type StateFolder, stateFolder, stateOf, statusOf } from './state/container-state.js';
import { processesIn } from './state/group-processes.js';
import { askedResources, updateContainer } from './update-container.js';
import { updateFlags } from './update-flags.js';
import { watchEvents } from './watch-events.js';

/** What a command has: the folder of all states, and its own flags and words. */
export interface Called {
  readonly caller: Caller;
  /** Tells of the way that the command takes, where `--debug` asks for that. */
  readonly debug: (text: string) => void;
  readonly root: string;
  /** `--root` says where the root is. */
  readonly isNamed: boolean;
  readonly flags: Flags;
  readonly rights: Rights;
  /** `--systemd-cgroup` */
  readonly systemd: boolean;
}

interface Command {
  readonly flags: FlagTable;
  readonly short?: Readonly<Record<string, string>>;
  /** How many words it takes, at least and at most. */
  readonly words: readonly [least: number, most: number];
  /** @returns the exit status */
  run(called: Called): Promise<number> | number;
}

const MANY = Number.POSITIVE_INFINITY;

const createFlags: FlagTable = {
  ...{ bundle: 'value', config: 'value', 'console-socket': 'value', 'pid-file': 'value', 'pidfd-socket': 'value' },
  ...{ 'no-pivot': 'switch', 'no-new-keyring': 'switch', 'preserve-fds': 'value' },
};

const folderOf = ({ root, flags }: Pick<Called, 'root' | 'flags'>): StateFolder => stateFolder(root, flags.words[0] ?? '');

/** The containers whose ids an expression is found in. @throws NacelleError `ERR_INVALID_OPTION` */
function foldersLike({ root, flags }: Pick<Called, 'root' | 'flags'>): StateFolder[] {
  const [text = ''] = flags.words;
  const like = expression(text);
  return containerIds(root).flatMap((id) => (like.test(id) ? [stateFolder(root, id)] : []));
}

function expression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw usageError(`invalid value for flag -regex: ${toError(error).message}`);
  }
}

function createRequest(
  { caller, debug, rights, root, flags, systemd }: Called,
  { detach, keep }: Pick<CreateRequest, 'detach' | 'keep'>,
): CreateRequest {
  return {
    ...{ caller, debug, rights, root, systemd, id: flags.words[0] ?? '' },
    ...{ bundle: flags.value('bundle') ?? '.', pidFile: flags.value('pid-file') },
    config: flags.value('config') || 'config.json',
    ...{ consoleSocket: flags.value('console-socket'), pidfdSocket: flags.value('pidfd-socket'), newKeyring: !flags.has('no-new-keyring') },
    noPivot: flags.has('no-pivot'),
    ...{ detach, keep },
    preservedFds: preservedFdsOf(flags),
  };
}

function preservedFdsOf(flags: Flags): number {
  const text = flags.value('preserve-fds') ?? '0';
  if (!/^\d{1,4}$/.test(text) || Number(text) > MOST_DESCRIPTORS)
    throw usageError(`invalid value ${JSON.stringify(text)} for flag -preserve-fds: a number up to ${MOST_DESCRIPTORS}`);
  return Number(text);
}

/** The values of a flag that takes numbers alone. */
function numbersOf(flags: Flags, name: string): number[] {
  return flags.all(name).map((text) => {
    return idOf(name, text);
  });
}

/** 2^32 - 1 is nobody's id. */
function idOf(flag: string, text: string): number {
  if (!/^\d+$/.test(text) || Number(text) > 2 ** 32 - 2) throw invalidFlag(flag, text, 'must be an id');
  return Number(text);
}

function invalidFlag(flag: string, text: string, problem: string): Error {
  return usageError(`invalid value ${JSON.stringify(text)} for flag -${flag}: ${problem}`);
}

/** What the flags of `exec` change of the container's process. @throws NacelleError `ERR_INVALID_OPTION` by the flag */
export function changesOf(flags: Flags): Pick<ExecRequest, 'env' | 'cwd' | 'user' | 'additionalGids' | 'capabilities'> {
  const cwd = flags.value('cwd') || null;
  if (cwd?.startsWith('/') === false) throw invalidFlag('cwd', cwd, 'must be an absolute path');
  const env = flags.all('env');
  for (const entry of env) if (!/^[^=]+=/.test(entry)) throw invalidFlag('env', entry, 'must be NAME=VALUE');
  return { env, cwd, user: userOf(flags), additionalGids: numbersOf(flags, 'additional-gids'), capabilities: flags.all('cap') };
}

/** Of `--user`, UID[:GID]. */
function userOf(flags: Flags): ExecRequest['user'] {
  const text = flags.value('user');
  if (text === null) return null;
  const [uid = '', gid, ...more] = text.split(':');
  if (more.length > 0) throw invalidFlag('user', text, 'must be UID[:GID]');
  return { uid: idOf('user', uid), ...(gid === undefined ? {} : { gid: idOf('user', gid) }) };
}

export const commands: Readonly<Record<CommandName, Command>> = {
  create: {
    flags: createFlags,
    short: { b: 'bundle' },
    words: [1, 1],
    run: async (called) => {
      const { made } = await createContainer(createRequest(called, { detach: true, keep: false }), leavePlans);
      await made.letGoShim();
      return 0;
    },
  },
  start: {
    // by the front alone, which has sent the process on
    flags: { told: 'value' },
    words: [1, 1],
    run: async (called) => {
      const told = called.flags.value('told');
      if (told !== null) throw failureTold(idOf('told', told));
      await startDetached(folderOf(called), called.caller);
      return 0;
    },
  },
  run: {
    flags: { ...createFlags, detach: 'switch', keep: 'switch' },
    short: { b: 'bundle', d: 'detach' },
    words: [1, 1],
    run: (called) => runContainer(createRequest(called, { detach: called.flags.has('detach'), keep: called.flags.has('keep') })),
  },
  state: {
    flags: {},
    words: [1, 1],
    run: (called) => {
      const folder = folderOf(called);
      const record = madeRecord(folder);
      return print(JSON.stringify(stateOf(record, statusOf(folder, record)), null, 2));
    },
  },
  kill: {
    flags: { all: 'switch' },
    short: { a: 'all' },
    words: [1, 2],
    run: async (called) => {
      await killContainer(folderOf(called), signalOf(called.flags.words[1] ?? 'TERM'), { all: called.flags.has('all') });
      return 0;
    },
  },
  delete: {
    flags: { force: 'switch', regex: 'switch' },
    short: { f: 'force' },
    words: [1, 1],
    run: async (called) => {
      const options = { force: called.flags.has('force'), caller: called.caller };
      const folders = called.flags.has('regex') ? foldersLike(called) : [folderOf(called)];
      await doAll(folders.map((folder) => () => deleteContainer(folder, options)));
      return 0;
    },
  },
  pause: {
    flags: {},
    words: [1, 1],
    run: async (called) => {
      await pauseContainer(folderOf(called));
      return 0;
    },
  },
  resume: {
    flags: {},
    words: [1, 1],
    run: (called) => {
      resumeContainer(folderOf(called));
      return 0;
    },
  },
  update: {
    flags: updateFlags,
    short: { r: 'resources' },
    words: [1, 1],
    run: async (called) => {
      await updateContainer(folderOf(called), askedResources(called.flags, called.caller), called.caller);
      return 0;
    },
  },
  events: {
    flags: { stats: 'switch', interval: 'value' },
    words: [1, 1],
    run: async (called) => {
      if (called.flags.has('stats')) return print(statsEvent(folderOf(called)));
      const intervalMs = parseGoDuration(called.flags.value('interval') ?? '5s');
      if (intervalMs === null || intervalMs <= 0) throw usageError('duration interval must be greater than 0');
      await watchEvents(folderOf(called), { intervalMs, print, tell: called.caller.tell });
      return 0;
    },
  },
  list: {
    flags: { format: 'value', quiet: 'switch' },
    short: { f: 'format', q: 'quiet' },
    words: [0, 0],
    run: ({ root, isNamed, flags, caller }) => {
      const text = listContainers(root, { format: formatOf(flags), quiet: flags.has('quiet'), isNamed }, caller.tell);
      // of no containers there is no line
      return text === '' ? 0 : print(text);
    },
  },
  ps: {
    flags: { format: 'value' },
    short: { f: 'format' },
    words: [1, MANY],
    run: (called) => {
      const { home } = madeRecord(folderOf(called));
      if (home === null) throw refusal(NO_GROUPS);
      const pids = processesIn(home);
      const args = called.flags.words.slice(1);
      return print(formatOf(called.flags) === 'json' ? JSON.stringify(pids) : psTable(pids, args.length === 0 ? ['-ef'] : args));
    },
  },
  exec: {
    flags: {
      ...{ process: 'value', cwd: 'value', user: 'value', env: 'list', cap: 'list', 'additional-gids': 'list', tty: 'switch' },
      ...{ detach: 'switch', 'pid-file': 'value', 'console-socket': 'value', 'pidfd-socket': 'value', 'no-new-privs': 'switch' },
      ...{ 'process-label': 'value', apparmor: 'value', 'preserve-fds': 'value', cgroup: 'list', 'ignore-paused': 'switch' },
    },
    short: { p: 'process', e: 'env', u: 'user', t: 'tty', d: 'detach', c: 'cap', g: 'additional-gids' },
    words: [1, MANY],
    run: (called) => execute(called),
  },
  spec: {
    flags: { bundle: 'value', rootless: 'switch' },
    short: { b: 'bundle' },
    words: [0, 0],
    run: ({ flags }) => {
      const path = join(flags.value('bundle') ?? '.', 'config.json');
      attempt(`write ${path}`, () => {
        try {
          const rootless = flags.has('rootless') ? { uid: geteuid?.() ?? 0, gid: getegid?.() ?? 0 } : null;
          writeFileSync(path, specText({ cgroupNamespace: inspectGroups().mode === 'v2', rootless }), { flag: 'wx' });
        } catch (error) {
          throw hasCode(error, 'EEXIST') ? usageError(`File ${path} exists. Remove it first`) : error;
        }
      });
      return 0;
    },
  },
  features: { flags: {}, words: [0, 0], run: () => print(featuresText()) },
};

function execute(called: Called): Promise<number> {
  const { flags } = called;
  const processFile = flags.value('process');
  const args = flags.words.slice(1);
  if (processFile === null && args.length === 0) throw usageError('process args cannot be empty');
  return execInContainer(folderOf(called), {
    ...{
      caller: called.caller,
      debug: called.debug,
      rights: called.rights,
      processFile,
      args,
      ...changesOf(flags),
      terminal: flags.has('tty'),
      noNewPrivileges: flags.has('no-new-privs'),
    },
    ...{ detach: flags.has('detach'), pidFile: flags.value('pid-file'), consoleSocket: flags.value('console-socket') },
    ...{ pidfdSocket: flags.value('pidfd-socket'), ignorePaused: flags.has('ignore-paused'), preservedFds: preservedFdsOf(flags) },
    ...{ selinuxLabel: flags.value('process-label'), apparmorProfile: flags.value('apparmor'), groups: subGroupsOf(flags.all('cgroup')) },
  });
}

function formatOf(flags: Flags): 'json' | 'table' {
  const format = flags.value('format') ?? 'table';
  if (format !== 'json' && format !== 'table') throw usageError(`invalid format option: ${format}`);
  return format;
}

/** Reads the words of a command. @throws NacelleError `ERR_INVALID_OPTION` */
export function flagsOf(name: string, { flags, short, words: [least, most] }: Command, args: readonly string[]): Flags {
  // as in runc, what follows the words of exec and ps is another program's
  const parsed = parseFlags(args, flags, { short, afterWords: most < MANY });
  if (parsed.words.length < least) throw usageError(`nacelle-oci: "${name}" requires at least ${least} argument(s)`);
  if (parsed.words.length > most) throw usageError(`nacelle-oci: "${name}" requires at most ${most} argument(s)`);
  return parsed;
}
