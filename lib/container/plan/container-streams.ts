import { O_NOCTTY, O_NONBLOCK, O_RDONLY, PROPAGATION } from '../../plan/constants.js';
import { NONE, type Slots } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { LogPlan, Streams } from '../../process/streams/child-end.js';
import { accessOf, type StreamPlan, setSteps } from '../../process/streams/stream-steps.js';
import { logStep, planTerminal, type TerminalPlan } from './terminal-steps.js';

const { RDONLY, NOSUID, NODEV, NOEXEC } = MOUNT_ATTR;

export interface ContainerStreams extends StreamPlan {
  /** Host steps that start the copies between files of the caller's and pipes of the program's, or the log that reads its pipes. */
  readonly prepare: readonly Step[];
  /** Steps that open the container's null device, to be run when there is its /dev. */
  readonly openNull: readonly Step[];
  /** `null`: the program has no terminal. */
  readonly terminal: TerminalPlan | null;
}

/**
 * Steps for the streams of a container's program, which gets the use that was meant and no more. By way of /proc/self/fd, whoever holds a
 * descriptor can do to its file what the mount and the file's mode allow, whatever the descriptor was opened for. So a file to be read from
 * is opened through a read-only mount of its own, and others are copied from or to by a pump; the null device is the container's own.
 *
 * @param dev the container's /dev; `byShim`: the shim opens a node in it, for the container's process may not be allowed to
 */
export function planStreams(streams: Streams, slots: Slots, { dev, byShim }: { dev: Slot; byShim: boolean }): ContainerStreams {
  if (streams.terminal) return terminalStreams(planTerminal(streams.terminal, slots, { log: streams.log }));
  const { ends, copies, log } = streams;
  const isGiven = byShim && ends.some(({ type }) => type === 'null');
  const open: Step[] = [];
  const openNull: Step[] = isGiven ? [{ op: 'give', slot: dev }] : [];
  const side = byShim ? { host: true } : {};
  const places = ends.map((end, number): Slot => {
    if (end.type === 'pipe' || end.type === 'given') return slots.give(end.fd);
    const out = slots.take();
    if (end.type === 'null') openNull.push({ op: 'open_null', ...side, out, dev, flags: accessOf(number) });
    else open.push(...readOnly(end.path, slots.take(), out));
    return out;
  });
  // the shim must not be the last to close the mount, as with the device nodes
  if (isGiven) openNull.push({ op: 'close', host: true, slot: dev });
  const prepare: Step[] = [...pumpSteps(copies, slots), ...(log === undefined ? [] : logPipes(log))];
  return { prepare, open, openNull, terminal: null, set: (give) => setSteps(ends, places, give) };
}

/** The terminal is its user's from the start. */
function terminalStreams(terminal: TerminalPlan): ContainerStreams {
  const set = (): Step[] => [0, 1, 2].map((fd) => ({ op: 'stdio', slot: terminal.slave, fd }));
  return { prepare: [], open: [], openNull: [], terminal, set };
}

/** The host step that starts a pump, if there is something to copy. */
export function pumpSteps(copies: Streams['copies'], slots: Slots): Step[] {
  if (copies.length === 0) return [];
  return [{ op: 'pump', host: true, from: copies.map(({ from }) => slots.give(from)), to: copies.map(({ to }) => slots.give(to)) }];
}

/** A copy of a pipe's end would keep the pipe open, so the log alone has ours. */
function logPipes(log: LogPlan): Step[] {
  return [logStep(log.pipes, log), ...log.pipes.map((slot): Step => ({ op: 'close', host: true, slot }))];
}

function readOnly(path: string, mount: Slot, out: Slot): Step[] {
  return [
    { op: 'clone_mount', out: mount, at: NONE, path, recursive: 0 },
    { op: 'set_mount', mount, recursive: 0, set: RDONLY | NOSUID | NODEV | NOEXEC, clear: 0, propagation: PROPAGATION.private },
    // the path may lead to another file by now, or to none
    { op: 'reopen', out, slot: mount, path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY },
    { op: 'close', slot: mount },
  ];
}
