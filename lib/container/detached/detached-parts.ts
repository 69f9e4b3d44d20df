import type { Connection } from '../../native/connection.js';
import { closeDescriptor } from '../../native/load-addon.js';
import type { Task } from '../../native/task.js';
import type { Slot } from '../../plan/steps.js';
import type { ParsedProcess } from '../../process/options/process-options.js';
import type { Encoding } from '../../process/options/process-types.js';
import { Program } from '../../process/program.js';
import { Terminal } from '../../process/streams/terminal.js';
import type { DenialListener } from '../../security/denials/denial-event.js';
import { type LogPosition, logEnd } from '../logs/log-segments.js';
import { LogStreams } from '../logs/log-streams.js';
import type { State } from '../options/list-types.js';
import type { Inside } from '../result/copy-out.js';
import { RootChanges } from '../result/root-changes.js';
import type { ContainerRecord, DetachedRecord } from '../start/container-record.js';
import { factsOf, insideOf, type Parts } from '../start/launch.js';
import type { Attached } from './attach.js';
import { DetachedStdin } from './detached-stdin.js';
import type { Launched } from './launch-detached.js';
import { stateOf } from './list-containers.js';

/** What a handle of a detached container is made of, whether this process made the container or found it. */
export interface DetachedParts<E extends Encoding> extends Parts<E> {
  readonly connection: Connection | null;
}

const BEGINNING: LogPosition = { segment: 0, bytes: 0 };

export async function partsOfLaunched<E extends Encoding>({ record, task, connection, onDenied }: Launched): Promise<DetachedParts<E>> {
  return partsOf({ record, task, connection, onDenied }, record.detached, { descriptors: task.started.descriptors, from: BEGINNING });
}

/** The state that it was found in. Where that can't be told, nothing stays open. @throws SyscallError */
export function stateOfAttached({ state, record, connection }: Attached): State {
  try {
    return stateOf(state, record);
  } catch (error) {
    connection?.close();
    throw error;
  }
}

/** @throws what the shim refuses */
export async function partsOfAttached<E extends Encoding>({ record, task, connection }: Attached): Promise<DetachedParts<E>> {
  try {
    const logs = record.detached?.logs ?? null;
    // first of all, since a failure must leave no descriptor open
    const from = logs === null ? BEGINNING : await logEnd(logs);
    const wanted = connection === null || record.detached === null ? [] : slotsOf(record.detached);
    const { descriptors } = wanted.length === 0 ? task.started : await task.call([], { returns: wanted });
    return await partsOf({ record, task, connection, onDenied: null }, record.detached, {
      descriptors,
      from,
    });
  } catch (error) {
    connection?.close();
    throw error;
  }
}

interface Found {
  readonly record: ContainerRecord;
  readonly task: Task;
  readonly connection: Connection | null;
  readonly onDenied: DenialListener | null;
}

async function partsOf<E extends Encoding>(
  { record, task, connection, onDenied }: Found,
  detached: DetachedRecord | null,
  { descriptors, from }: { readonly descriptors: ReadonlyMap<Slot, number>; readonly from: LogPosition },
): Promise<DetachedParts<E>> {
  const left = new Map(descriptors);
  const take = (slot: Slot | undefined): number | undefined => {
    const fd = slot === undefined ? undefined : left.get(slot);
    if (slot !== undefined) left.delete(slot);
    return fd;
  };
  const changes = changesOf(detached, take);
  const inside: Inside | null = insideOf({ current: record }, take(detached?.inside.mountNamespace), take(detached?.inside.user));
  const master = take(detached?.terminal ?? undefined);
  // the shim keeps its own
  for (const fd of left.values()) closeDescriptor(fd);
  const terminal = detached?.terminal == null ? null : new Terminal();
  if (master !== undefined) terminal?.connect(master);
  const streams = new LogStreams({
    folder: detached?.logs ?? null,
    from,
    ended: task.ended,
    stdin: detached?.stdin == null ? null : (terminal?.input ?? new DetachedStdin(task, detached.stdin)),
    terminal,
    keep: detached?.process.buffer ?? false,
  });
  const program = new Program<E>(processOf(detached), streams);
  const live = { current: record };
  await program.sent(factsOf(live), Promise.resolve(task));
  task.unref();
  return {
    record: live,
    held: {
      program,
      task,
      slot: detached?.free ?? 0,
      image: null,
      inside,
      insideSlots: detached?.inside ?? null,
      keepsInside: inside !== null,
      changes,
      onDenied,
      isTidiedLater: false,
      networks: new Map(),
      release: () => undefined,
    },
    connection,
  };
}

function changesOf(detached: DetachedRecord | null, take: (slot: Slot | undefined) => number | undefined): RootChanges | null {
  if (!detached?.changes) return null;
  const { mounts, covered, volumes, stubs = [] } = detached.changes;
  const open = mounts.flatMap(({ target, lower, upper }) => {
    const fd = take(upper);
    return fd === undefined ? [] : [{ target, lower, upper: fd }];
  });
  return open.length === mounts.length ? new RootChanges(open, [], { covered, volumes, stubs }) : null;
}

function slotsOf({ inside, terminal, changes }: DetachedRecord): Slot[] {
  const uppers = (changes?.mounts ?? []).map(({ upper }) => upper);
  return [inside.mountNamespace, inside.user, ...(terminal == null ? [] : [terminal]), ...uppers];
}

/** The process as its options were, without what belongs to the call. */
function processOf(detached: DetachedRecord | null): ParsedProcess {
  const {
    timeout = null,
    cpuTimeLimit = null,
    encoding = 'utf8',
    buffer = true,
    killSignal = 9,
    forceKillAfterDelay = 1000,
  } = detached?.process ?? {};
  return {
    env: {},
    extendEnv: false,
    cwd: null,
    user: null,
    groupAdd: null,
    pipesOnly: false,
    umask: 0o022,
    stdin: [],
    stdout: [],
    stderr: [],
    tty: null,
    encoding,
    buffer,
    timeout,
    cpuTimeLimit,
    killSignal,
    forceKillAfterDelay,
    input: null,
    maxBuffer: null,
    cancelSignal: null,
    reject: false,
  };
}
