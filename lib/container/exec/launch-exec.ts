import type { OpenGroupFiles } from '../../cgroup/files/open-group-files.js';
import { blameOom, countersSince, type GroupCounters, isCounter, readCounters, readUsage } from '../../cgroup/stats/usage.js';
import { hasCode, NacelleError } from '../../errors.js';
import { privilege } from '../../host/privilege.js';
import type { Task } from '../../native/task.js';
import { allCapabilities } from '../../plan/capability-names.js';
import { Slots } from '../../plan/plan.js';
import { unlessAborted } from '../../process/abort.js';
import type { Encoding } from '../../process/options/process-types.js';
import type { Program, ProgramFacts } from '../../process/program.js';
import { describeCall } from '../../security/denials/call-name.js';
import { type DenialListener, tellDenials } from '../../security/denials/denial-event.js';
import type { ParsedExec } from '../options/exec-options.js';
import { planExec } from '../plan/exec-plan.js';
import { groupEvidence, lethalLimits } from '../result/group-evidence.js';
import type { ContainerRecord } from '../start/container-record.js';
import { planExecGroup } from '../start/exec-group.js';
import { ownCapabilities } from '../start/own-capabilities.js';
import { specOf } from './exec-spec.js';
import type { FirstProcess } from './first-process.js';

export interface ExecRequest {
  readonly id: string;
  readonly command: readonly string[];
  readonly options: ParsedExec;
  readonly record: ContainerRecord;
  readonly firstProcess: FirstProcess;
  /** Hears of the program's refused calls; `null`: nobody does in this process. */
  readonly onDenied: DenialListener | null;
  /** What the shim tells those who watch; `null`: nobody hears of this program by the shim. */
  readonly words: Uint8Array | null;
}

/**
 * Runs a program in a running container. A failure leaves nothing but the program's streams, which the caller closes.
 *
 * @throws as `Container.exec`; the reason of `cancelSignal`
 */
export async function launchExec<E extends Encoding>(program: Program<E>, request: ExecRequest): Promise<Task> {
  request.options.process.cancelSignal?.throwIfAborted();
  const launched = request.firstProcess.use((process) => launchBeside(process, program, request));
  const task = await launched.catch(async (error: unknown) => {
    throw (await endedMeanwhile(error, request.firstProcess)) ? hasEnded(request.record.id, error) : error;
  });
  program.begin();
  return task;
}

async function launchBeside<E extends Encoding>(
  process: number,
  program: Program<E>,
  { id, command, options, record, firstProcess, onDenied, words }: ExecRequest,
): Promise<Task> {
  const { cancelSignal, cpuTimeLimit } = options.process;
  const slots = new Slots();
  const { name: container, bases } = record.group;
  // what the container was allowed to do without, its programs are
  const notEnforced = cpuTimeLimit === null ? [] : record.notEnforced.filter(({ feature }) => feature === 'cpuTimeLimit');
  const countsCpu = cpuTimeLimit !== null && notEnforced.length === 0;
  const group = await unlessAborted(
    cancelSignal,
    () => planExecGroup({ slots, id, container, bases, limits: options.limits, countsCpu }),
    () => undefined,
  );
  const streams = await program.open({ isConfined: true });
  const plan = planExec({
    slots,
    process,
    namespaces: record.namespaces,
    userns: record.userns,
    unsharesMounts: privilege().kind === 'user',
    group,
    cpuClock: countsCpu ? group.cpuClock(cpuTimeLimit) : null,
    program: specOf(record.program, options, record.userns === null ? ownCapabilities : () => allCapabilities),
    argv: command,
    streams,
    nullByShim: record.mayRefuseNull,
    options: options.process,
    detach: options.detach,
  });
  const facts: ProgramFacts = {
    id,
    command,
    processOne: false,
    limits: lethalLimits({ ...record.limits, ...options.limits }, record.filterKills),
    notEnforced,
    describeCall,
    readGroup: evidence(record, firstProcess.counters, { usage: group.usage, limits: options.limits }),
  };
  const told = words === null ? plan : { ...plan, words };
  const task = await program.sent(facts, firstProcess.start(told, slots.descriptors, cancelSignal));
  tellDenials(task, onDenied);
  program.connect(task.started.descriptors.get(plan.master));
  return task;
}

/**
 * Decodes what the program's own group counted, which has the files of its own limits alone. Memory that ran out, and forks that were refused,
 * are else counted for the container as a whole: what it counted meanwhile may be the program's.
 */
function evidence(
  { group, limits: around }: ContainerRecord,
  files: OpenGroupFiles,
  own: { readonly usage: Parameters<typeof readUsage>[0]; readonly limits: ParsedExec['limits'] },
): ProgramFacts['readGroup'] {
  const before = countersOf(group.usage, files);
  return ({ reports }) => {
    const counted = groupEvidence(readUsage(own.usage, reports), own.limits.memory ?? null);
    const since = countersSince(before, countersOf(group.usage, files));
    const container = blameOom(since, { limit: around.memory ?? null, peak: null });
    const outside = counted.oomKills > 0 ? 0 : container.oomKills + container.oomKillsOfParent;
    return {
      ...counted,
      oomKillsOfParent: Math.max(counted.oomKillsOfParent, outside),
      forksRefused: counted.forksRefused + Math.max(since.forksRefused, 0),
    };
  };
}

function countersOf(usage: ContainerRecord['group']['usage'], files: OpenGroupFiles): GroupCounters {
  const wanted = usage.filter(isCounter);
  const texts = wanted.map(({ at }) => files.read(at));
  return readCounters(
    (controller, path) => texts[wanted.findIndex((file) => file.controller === controller && file.path === path)] ?? null,
  );
}

/**
 * Whether a failure is that of a container which ended at that moment: its process is gone (ESRCH), its group is (ENODEV), its pid namespace
 * takes no new process (ENOMEM; fork(2)), the one that joined was killed with all others (ECHILD), or nobody but root of the host may join
 * a process that is half gone (EPERM).
 */
async function endedMeanwhile(error: unknown, firstProcess: FirstProcess): Promise<boolean> {
  if (hasCode(error, 'ERR_ENDED', 'ESRCH', 'ENODEV')) return true;
  if (hasCode(error, 'ECHILD') || failedAt(error, 'join_process', 'EPERM')) return firstProcess.isEnding();
  return failedAt(error, 'clone', 'ENOMEM');
}

function failedAt(error: unknown, step: string, code: string): boolean {
  return hasCode(error, code) && error instanceof NacelleError && Reflect.get(error, 'step') === step;
}

/** The error for a container that takes no program any more. */
export function hasEnded(id: string, cause?: unknown): NacelleError {
  return new NacelleError(`run a program in the container ${id}: it has ended`, { code: 'ERR_STATE', cause });
}
