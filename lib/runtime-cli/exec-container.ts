import { existsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { doAll, hasCode } from '../errors.js';
import { isLiving, processSeen } from '../host/process-identity.js';
import { securityModules } from '../host/security-modules.js';
import { clearTimeout, setTimeout } from '../native/clock.js';
import { hearPipe } from '../native/heard-pipe.js';
import { binding, closeDescriptor } from '../native/load-addon.js';
import { endShim, ensureShim, start } from '../native/shim.js';
import { signalProcesses } from '../native/signal-process.js';
import type { Task } from '../native/task.js';
import type { BundleProcess } from '../oci-config/config-schema.js';
import { schedulerOf } from '../oci-config/process-scheduler.js';
import { refuseForChild } from '../oci-config/refused.js';
import { SIGKILL } from '../plan/constants.js';
import { Slots } from '../plan/plan.js';
import type { Caller } from './caller/caller.js';
import { signalsOf } from './caller/forward-signals.js';
import type { Rights } from './caller/rights.js';
import { requireMapped } from './config/bundle-user-maps.js';
import { ambientWarnings, capabilitySets, keepsGroups, processLimits } from './config/process-facts.js';
import { readProcess } from './config/read-config.js';
import { refusal, usageError } from './config/runtime-error.js';
import { programLabels } from './config/security-labels.js';
import { consoleOf } from './console-request.js';
import { terminalOf } from './create-container.js';
import { IS_THERE, RUNS, SETTING_UP } from './debug-words.js';
import { type ShownTerminal, showTerminal } from './foreground-terminal.js';
import { listenerState } from './listener-state.js';
import { initialAffinity } from './plan/affinity-steps.js';
import { type BundleExecInput, planBundleExec } from './plan/bundle-exec-plan.js';
import type { GroupFolder } from './plan/bundle-groups.js';
import { ENTERING_MS } from './plan/bundle-process.js';
import { joinedGroups, type SubGroups } from './plan/exec-groups.js';
import { preservedDescriptors, standardStreams } from './preserved-descriptors.js';
import {
  closeAll,
  filterOf,
  hasSetgroupsDenied,
  joinedTypes,
  openGroups,
  openNamespacesOf,
  openRootOf,
  usersOfRecord,
} from './runtime-machine.js';
import { shellStatus } from './runtime-output.js';
import { startFailure } from './start-container.js';
import { configOf, madeRecord, type StateFolder, stateOf, statusOf, writeWhole } from './state/container-state.js';
import { undoneAfter } from './undone-after.js';

export interface ExecRequest {
  readonly caller: Caller;
  /** Hears of the way that the command takes. */
  readonly debug: (text: string) => void;
  readonly rights: Rights;
  /** A file with the process; `null`: that of config.json, with the changes here. */
  readonly processFile: string | null;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string | null;
  /** Without a group: that of config.json. */
  readonly user: { readonly uid: number; readonly gid?: number } | null;
  readonly additionalGids: readonly number[];
  /** Added to all sets but the inheritable one; to the ambient set where config.json lets some be inherited. */
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly terminal: boolean;
  readonly detach: boolean;
  readonly pidFile: string | null;
  readonly consoleSocket: string | null;
  /** A socket that gets a pidfd of the program's process. */
  readonly pidfdSocket: string | null;
  readonly ignorePaused: boolean;
  /** Groups below the container's own that the program is in. */
  readonly groups: SubGroups;
  /** In the place of those of config.json; `null`: as it has them. */
  readonly selinuxLabel: string | null;
  readonly apparmorProfile: string | null;
  /** How many descriptors from 3 on the program gets. */
  readonly preservedFds: number;
}

/** Runs a program in a container. @returns its exit status as a shell has it; 0 at once with `detach` @throws NacelleError */
export async function execInContainer(folder: StateFolder, request: ExecRequest): Promise<number> {
  const { caller, debug } = request;
  const record = madeRecord(folder);
  const status = statusOf(folder, record);
  if (status === 'stopped') throw refusal('cannot exec in a stopped container');
  if (status === 'paused' && !request.ignorePaused) throw refusal('cannot exec in a paused container (use --ignore-paused to override)');
  const { process: own, linux } = configOf(record);
  const program =
    request.processFile === null
      ? changed(own, request)
      : readProcess(caller.absolute(request.processFile), { mayWait: caller.hasOwnStreams });
  const labels = programLabels(program, securityModules());
  schedulerOf(program);
  refuseForChild(program, true);
  const maps = usersOfRecord(record, linux);
  if (maps !== null) requireMapped(maps, program);
  const console = consoleOf(request.consoleSocket, program, request);
  const capabilities = capabilitySets(program);
  for (const text of ambientWarnings(capabilities)) caller.tell(text);
  const { descriptors } = preservedDescriptors(request.preservedFds, caller, { activates: false });
  const filter = filterOf(linux, capabilities, record.bundle);
  const limits = processLimits(program);
  const joined = joinedGroups(record.groups, request.groups);
  if (request.groups.size > 0) requireThere(joined);
  const groups = openGroups(joined);
  try {
    const namespaces = openNamespacesOf(record, joinedTypes(linux), request.rights);
    let root: number | null = null;
    try {
      root = openRootOf(record, linux);
      const slots = new Slots();
      const streams = console === null ? standardStreams(caller) : null;
      const planned: Omit<BundleExecInput, 'start'> = {
        slots,
        listenerState: filter?.listener ? listenerState(filter.listener, [JSON.stringify(stateOf(record, status))]) : [],
        process: program,
        labels,
        linux,
        groups,
        namespaces,
        root,
        capabilities,
        filter,
        limits,
        console,
        streams,
        handsOver: request.detach,
        pidfdSocket: request.pidfdSocket === null ? null : caller.absolute(request.pidfdSocket),
        preserved: descriptors,
        hasOwnUsers: maps !== null,
        // root of the machine denies setgroups to no container that it makes (needsSetgroupsDenied)
        keepsGroups: keepsGroups(record, request.rights) || (request.rights.isConfined && hasSetgroupsDenied(record)),
      };
      debug(`${SETTING_UP}: a program in ${record.id}`);
      const affinity = initialAffinity(program);
      if (affinity !== null) debug(`${SETTING_UP}: affinity: ${affinity}`);
      const { task, pipes } = await waiting(planned);
      const { pid } = task;
      debug(`${IS_THERE}: ${pid}`);
      debug(RUNS);
      const startTime = processSeen(pid)?.startTime ?? '';
      const forwarding = request.detach ? null : caller.forwardSignals(signalsOf(task));
      const terminal = terminalOf(task.started);
      let shown: ShownTerminal | null = null;
      const end = (): Promise<void> => doAll([() => shown?.end(), () => forwarding?.end()]);
      const untilEnd = async (): Promise<number> => {
        try {
          shown = terminal === null ? null : showTerminal(terminal, pid);
          // who sees the program run may send a signal
          await forwarding?.heard;
          if (request.detach) await endShim();
        } catch (error) {
          for (const fd of [pipes.go, pipes.told]) closeDescriptor(fd);
          throw error;
        }
        await letRun(pipes, pid, startTime);
        if (request.pidFile !== null) writeWhole(caller.absolute(request.pidFile), String(pid));
        return request.detach ? 0 : shellStatus(await task.ended);
      };
      const exitStatus = await untilEnd().catch(async (error: unknown) => {
        // its terminal is shown until it has ended
        throw await undoneAfter(error, () => doAll([() => killOne(pid, startTime), end]));
      });
      await end();
      return exitStatus;
    } finally {
      closeAll([...namespaces.values(), ...(root === null ? [] : [root])]);
    }
  } finally {
    closeAll(groups.map(({ fd }) => fd));
  }
}

/** In runc's words. @throws NacelleError `ERR_INVALID_OPTION` for a group that is not there */
function requireThere(groups: readonly GroupFolder[]): void {
  for (const { path } of groups) {
    const list = join(path, 'cgroup.procs');
    if (!existsSync(list)) throw usageError(`--cgroup: error adding pid of the program: open ${list}: no such file or directory`);
  }
}

/** This process's ends of the pipes at which a program waits. */
interface Pipes {
  readonly go: number;
  readonly told: number;
}

/**
 * Has a program made, which waits: one that ran while the shim is its parent, and is to go on without that, could end there, and whoever asked for it would never
 * hear of its end; and one in the foreground has the caller's signals from its beginning.
 */
async function waiting(planned: Omit<BundleExecInput, 'start'>): Promise<{ readonly task: Task; readonly pipes: Pipes }> {
  const [theirGo, go] = binding().pipe();
  let theirs = [theirGo];
  let own = [go];
  try {
    const [told, theirTold] = binding().pipe();
    theirs = [theirGo, theirTold];
    own = [go, told];
    const plan = planBundleExec({ ...planned, start: { go: theirGo, told: theirTold } });
    await ensureShim();
    return { task: await start(plan, planned.slots.descriptors), pipes: { go, told } };
  } catch (error) {
    for (const fd of own) closeDescriptor(fd);
    throw error;
  } finally {
    // the process has its own, and these would keep the pipes from their ends
    for (const fd of theirs) closeDescriptor(fd);
  }
}

/** @throws NacelleError when the program could not be run, or whoever is in its pid namespace keeps it from running: then its process is killed */
async function letRun({ go, told }: Pipes, pid: number, startTime: string): Promise<void> {
  const heard = hearPipe(told);
  sendByte(go);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    killOne(pid, startTime);
    heard.close();
  }, ENTERING_MS);
  const text = await heard.text;
  clearTimeout(timer);
  if (isLate) throw refusal('the program does not come to run: somebody stops it');
  if (text !== '') throw startFailure(text);
}

/** A process that has ended meanwhile hears of nothing more. */
function sendByte(go: number): void {
  try {
    writeSync(go, '0');
  } catch (error) {
    if (!hasCode(error, 'EPIPE')) throw error;
  } finally {
    closeDescriptor(go);
  }
}

/** Kills a process, and no other that has its number by now. @throws SyscallError */
function killOne(pid: number, startTime: string): void {
  signalProcesses([pid], SIGKILL, (held) => held.filter((number) => isLiving(number, startTime)));
}

/** The container's own process with what the command line says. @throws NacelleError */
function changed(own: BundleProcess | undefined, request: ExecRequest): BundleProcess {
  if (own === undefined) throw usageError('the container has no process of its own: give one by --process');
  const more = request.capabilities;
  const add = (names: readonly string[] = []): string[] => [...new Set([...names, ...more])];
  const { uid, gid } = { ...own.user, ...request.user };
  const sets = own.capabilities;
  return {
    ...own,
    args: [...request.args],
    env: [...own.env, ...request.env],
    cwd: request.cwd ?? own.cwd,
    // as runc has it, another user has the groups of config.json too
    user: { ...own.user, uid, gid, additionalGids: [...own.user.additionalGids, ...request.additionalGids] },
    terminal: request.terminal,
    selinuxLabel: request.selinuxLabel ?? own.selinuxLabel,
    apparmorProfile: request.apparmorProfile ?? own.apparmorProfile,
    noNewPrivileges: request.noNewPrivileges || (own.noNewPrivileges ?? false),
    capabilities: {
      inheritable: sets?.inheritable ?? [],
      // as in runc: where config.json lets nothing be inherited, none can be ambient
      ambient: sets?.inheritable.length ? add(sets.ambient) : (sets?.ambient ?? []),
      bounding: add(sets?.bounding),
      effective: add(sets?.effective),
      permitted: add(sets?.permitted),
    },
  };
}
