import type { Readable, Writable } from 'node:stream';
import * as z from 'zod';
import { parseGroupLimits } from '../cgroup/cgroup-options.js';
import { readGroupFiles } from '../cgroup/files/group-files.js';
import { freeze, thaw } from '../cgroup/freezer.js';
import { readUsage } from '../cgroup/stats/usage.js';
import { updateGroup } from '../cgroup/update-limits.js';
import { invalidOption, NacelleError, UnsupportedError } from '../errors.js';
import type { Change } from '../filesystem/change.js';
import { groupLayout, withBases } from '../host/cgroup-base.js';
import type { Image } from '../image/image.js';
import { Namespace } from '../namespace/namespace.js';
import { asyncDispose } from '../native/async-dispose.js';
import { clearTimeout, setTimeout } from '../native/clock.js';
import type { Connection } from '../native/connection.js';
import { abortSignal, delay, word } from '../options/common-schemas.js';
import type { LayerOptions } from '../options/layer-options.js';
import type { Limits } from '../options/limits.js';
import { parseOptions } from '../options/parse-options.js';
import type { Size } from '../options/size.js';
import type { NamespaceType } from '../plan/namespace-types.js';
import type { Step } from '../plan/steps.js';
import { unlessAborted } from '../process/abort.js';
import { execute, refuse } from '../process/execute.js';
import { parseCommand, parseTerminalSize } from '../process/options/process-options.js';
import type { Encoding, Execution, RunResult, TerminalSize, Usage } from '../process/options/process-types.js';
import { SIGKILL, signalNumber } from '../process/options/signals.js';
import { Program } from '../process/program.js';
import { usageOf } from '../process/result.js';
import { findContainer } from './detached/attach.js';
import { partsOfAttached, partsOfLaunched } from './detached/detached-parts.js';
import { launchDetached } from './detached/launch-detached.js';
import { detachedContainers, stateOf } from './detached/list-containers.js';
import { writeNote } from './detached/note.js';
import { pruneContainers } from './detached/prune-containers.js';
import { FirstProcess } from './exec/first-process.js';
import { hasEnded, launchExec } from './exec/launch-exec.js';
import { type Waitable, waitFor } from './exec/wait-for.js';
import { ContainerFiles } from './files/container-files.js';
import { inspected } from './inspect.js';
import { keptLogs } from './logs/kept-logs.js';
import { parseLogOptions, readLogs } from './logs/read-logs.js';
import { parseFilter } from './options/container-filter.js';
import { parseRunOptions } from './options/container-options.js';
import type {
  ContainerFilter,
  ContainerInfo,
  ContainerInspect,
  ContainerOptions,
  CopyIn,
  ExecOptions,
  LogOptions,
  LogRecord,
  PrunedContainers,
  RunOptions,
  State,
  WaitCondition,
  WaitOptions,
} from './options/container-types.js';
import { parseCopyFrom, parseCopyTo } from './options/copy-options.js';
import { type ParsedExec, parseExec } from './options/exec-options.js';
import { copyOut } from './result/copy-out.js';
import { groupEvidence } from './result/group-evidence.js';
import type { RootChanges } from './result/root-changes.js';
import { deviceRulesOf } from './start/container-group.js';
import type { LiveRecord } from './start/container-record.js';
import { type Held, launch, type Parts } from './start/launch.js';

/** The containers of this environment (main thread or Worker), in the order in which they were made. */
const live = new Set<Container>();

const KILL_DELAY = 10_000;
const waitOptions = z.strictObject({ cancelSignal: abortSignal.optional() });
const stopOptions = waitOptions.extend({ timeout: delay.optional() });

/**
 * A sandbox with one program: namespaces, cgroups, a root file system, and what confines it. `run` is all of a life
 * in one call; `create` and `start` take it apart.
 */
export class Container<E extends Encoding = Encoding> implements AsyncDisposable {
  readonly id: string;
  readonly name: string | null;
  readonly #record: LiveRecord;
  readonly #held: Held<E>;
  /** To the shim of a detached container; `null` also where that shim has died. */
  readonly #connection: Connection | null;
  #state: State = 'created';
  #outcome: Promise<RunResult<E>> | null = null;
  #removed: Promise<void> | null = null;
  readonly #firstProcess: FirstProcess;
  readonly #files: ContainerFiles | null;
  /** Programs that are about to join. */
  readonly #joining = new Set<Promise<void>>();
  #isPausing = false;
  /** How many wait for the end of a detached container. */
  #waiting = 0;
  /** Whether {@link unref} was called, and not {@link ref} since. */
  #isLetGo = false;

  private constructor({ record, held, connection = null }: Parts<E> & { connection?: Connection | null }, state: State = 'created') {
    this.#state = state;
    this.#connection = connection;
    this.id = record.current.id;
    this.name = record.current.name;
    this.#record = record;
    this.#held = held;
    this.#firstProcess = new FirstProcess(held.task, held.slot);
    this.#files =
      held.inside && held.keepsInside
        ? new ContainerFiles(this.id, { ...held.inside, capabilities: record.current.program.capabilities })
        : null;
    live.add(this);
    // what the handle holds is of no use without its shim
    connection?.over.then(() => this.#close());
    held.task.ended
      .catch(() => undefined)
      .finally(() => {
        live.delete(this);
        if (this.isDetached) this.#state = 'stopped';
      });
  }

  /** Whether it outlives this process. */
  get isDetached(): boolean {
    return this.#record.current.detached !== null;
  }

  /** Whether it goes with this process. @internal */
  get isOwned(): boolean {
    return !this.isDetached;
  }

  /**
   * Runs a program in a container of its own and resolves when all of it is gone. What the program did is in the
   * result; with `reject: true` a failure rejects.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`, UnsupportedError, ImageError, SyscallError: the sandbox could not be made, and
   * nothing is left of it; ContainerRunError with `reject: true`
   */
  static run<E extends Encoding = 'utf8'>(options: RunOptions<E>): Execution<E> {
    try {
      const parsed = parseRunOptions(options);
      if (parsed.detached) throw invalidOption('detach', 'is for Container.create: run waits for the end');
      const { process, entrypoint, command } = parsed;
      return execute<E>(process, [...(entrypoint ?? []), ...(command ?? [])], async (program) => {
        const container = new Container<E>(await launch<E>(program, parsed, { park: false }));
        container.#state = 'running';
        program.begin();
        return container;
      });
    } catch (error) {
      return refuse<E>(error);
    }
  }

  /**
   * Makes everything of a container and parks its program just before execve. The container ends with this process (or Worker) unless it is
   * removed before. It keeps Node alive only when it was started, or when its end is waited for.
   */
  static async create<E extends Encoding = 'utf8'>(options: ContainerOptions<E>): Promise<Container<E>> {
    const parsed = parseRunOptions(options);
    const { detached } = parsed;
    if (detached) return new Container<E>(await partsOfLaunched<E>(await launchDetached(parsed, detached)));
    const program = new Program<E>(parsed.process);
    try {
      const container = new Container<E>(await launch<E>(program, parsed, { park: true }));
      container.#keepAlive(false);
      return container;
    } catch (error) {
      program.streams.close();
      throw error;
    }
  }

  /**
   * A handle of a detached container, by its id or name, from any process of the same user in the same mount and pid namespaces. Its streams
   * are live from now on; what came before is in {@link logs}.
   *
   * @throws NacelleError `ERR_NO_CONTAINER`; `ERR_SHIM_SILENT` when its shim does not answer in 5 s; `ERR_SHIM_VERSION`; `ERR_NOTE`; SyscallError
   */
  static async attach(idOrName: string): Promise<Container> {
    const attached = await findContainer(parseOptions(word, idOrName, 'idOrName'));
    return new Container(await partsOfAttached<Encoding>(attached), stateOf(attached.state, attached.record));
  }

  /** The containers of this process (or Worker) and all detached ones of this user that are there now, the oldest first. */
  static async list(filter: ContainerFilter = {}): Promise<ContainerInfo[]> {
    const wanted = parseFilter(filter);
    const own = [...live].filter((container) => !container.isDetached).map((container) => container.#info());
    return [...own, ...(await detachedContainers())].filter(wanted);
  }

  /** Removes the detached containers that have ended. @throws the first failure, when all were tried */
  static async prune(): Promise<PrunedContainers> {
    return { containers: await pruneContainers() };
  }

  /** The pid of its first process, in this process's pid namespace. After its end the number may be another process's. */
  get pid(): number {
    return this.#held.task.pid;
  }

  get state(): State {
    return this.#state;
  }

  get stdin(): Writable | null {
    return this.#held.program.streams.stdin;
  }

  /** What the program writes, as {@link Execution.stdout}. */
  get stdout(): Readable | null {
    return this.#held.program.streams.stdout;
  }

  /** As {@link stdout}. */
  get stderr(): Readable | null {
    return this.#held.program.streams.stderr;
  }

  /** Runs the program. @throws NacelleError `ERR_STATE` when it was started before */
  async start(): Promise<void> {
    this.#expect('created', 'start');
    this.#state = 'running';
    if (this.isDetached) return this.#held.program.release();
    const ended = this.#end().catch(() => undefined);
    try {
      await this.#held.program.release();
    } catch (error) {
      await ended;
      throw error;
    }
  }

  /** Lets Node end while the container runs; the container is killed then. Before {@link start} this is so anyway. */
  unref(): void {
    this.#isLetGo = true;
    this.#keepAlive(false);
  }

  /** Keeps Node alive until the container's end, as a started container does until {@link unref}. */
  ref(): void {
    this.#isLetGo = false;
    this.#keepAlive(true);
  }

  #keepAlive(keeps: boolean): void {
    for (const part of [this.#held.task, this.#held.program.streams]) {
      if (keeps) part.ref();
      else part.unref();
    }
  }

  /**
   * Waits for the container's end, as often as you like. When `cancelSignal` is aborted before the end, the promise rejects with the
   * signal's reason, and the container goes on.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; as {@link Container.run}
   */
  wait(options: { cancelSignal?: AbortSignal | undefined } = {}): Promise<RunResult<E>> {
    const ended = this.#waited(options);
    // this rejection must not count as unhandled: `wait` may be called before `start`, which rejects with the same error
    ended.catch(() => undefined);
    return ended;
  }

  async #waited(options: { cancelSignal?: AbortSignal | undefined }): Promise<RunResult<E>> {
    const { cancelSignal = null } = parseOptions(waitOptions, options, 'options');
    const ended = unlessAborted(
      cancelSignal,
      () => this.#end(),
      () => undefined,
    );
    if (!this.isDetached) return ended;
    // a detached container keeps Node alive only while somebody waits for it
    this.#waiting++;
    this.#keepAlive(true);
    return ended.finally(() => {
      if (--this.#waiting === 0) this.#keepAlive(false);
    });
  }

  /**
   * Runs one more program in the container while it runs. The program joins the namespaces, the limits and the confinement of the container's
   * own program. It has a group of its own below the container's: its clocks, its limits, a cancel and `kill` end its whole tree and nothing
   * else. What it leaves running in the background ends with it.
   *
   * What is not given is as for the container's own program: `user`, `cwd` (which must exist), `umask` and the environment, to which `env` is
   * added. Names of users are looked up in the container's files as they are now.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; `ERR_STATE` when the container was not started, is paused or has ended; UnsupportedError for a
   * limit that can't be kept; SyscallError with the kernel's reason: ENOENT or EACCES for a program that can't be run (docker's 127 and 126).
   * Linux 5.8 (setns(2) by a pidfd)
   */
  exec<F extends Encoding = 'utf8'>(command: readonly string[], options: ExecOptions<F> = {}): Execution<F> {
    try {
      const argv = parseCommand(command);
      const parsed = parseExec(options);
      return execute<F>(parsed.process, argv, (program) => this.#exec(program, argv, parsed));
    } catch (error) {
      return refuse<F>(error);
    }
  }

  async #exec<F extends Encoding>(program: Program<F>, command: readonly string[], options: ParsedExec): Promise<Program<F>> {
    if (this.#state === 'stopped') throw hasEnded(this.id);
    this.#expect('running', 'run a program in');
    if (this.#isPausing) throw new NacelleError(`run a program in the container ${this.id}: it is being paused`, { code: 'ERR_STATE' });
    const [record, firstProcess] = [this.#record.current, this.#firstProcess];
    const launched = launchExec<F>(program, { command, options, record, firstProcess });
    this.#joining.add(launched);
    try {
      await launched;
    } finally {
      this.#joining.delete(launched);
    }
    return program;
  }

  /** Changes the size of the terminal of the container's own program, as {@link Execution.resize}. */
  async resize(size: TerminalSize): Promise<void> {
    this.#held.program.resize(parseTerminalSize(size));
  }

  /**
   * SIGKILL, the default, goes to the whole tree, paused or not; another signal to the first process, when it is not paused. After the end
   * the call does nothing.
   */
  async kill(signal: NodeJS.Signals | number = 'SIGKILL'): Promise<void> {
    const number = signalNumber(signal);
    if (this.#state === 'stopped') return;
    await this.#held.task.kill({ cause: 'caller', signal: number, tree: number === SIGKILL });
  }

  /**
   * Sends the image's StopSignal, or SIGTERM, to the first process, and after `timeout` (ms, default 10,000) SIGKILL to the tree. A paused
   * container goes on for it. When `cancelSignal` is aborted before the end, the promise rejects with the signal's reason, and no SIGKILL
   * is sent any more.
   *
   * @throws NacelleError `ERR_INVALID_OPTION` for a timeout that no timer keeps: it must be from 0 to 2,147,483,647
   */
  async stop(options: { timeout?: number | undefined; cancelSignal?: AbortSignal | undefined } = {}): Promise<RunResult<E>> {
    const { timeout = KILL_DELAY, cancelSignal = null } = parseOptions(stopOptions, options, 'options');
    cancelSignal?.throwIfAborted();
    const ended = this.#end();
    const untilEnd = (): Promise<RunResult<E>> =>
      unlessAborted(
        cancelSignal,
        () => ended,
        () => undefined,
      );
    if (this.#state === 'running' || this.#state === 'paused') {
      await this.#held.task.kill({ cause: 'caller', signal: this.#record.current.stopSignal, tree: false });
      if (this.#state === 'paused') await this.resume();
      const timer = setTimeout(() => void this.kill().catch(() => undefined), timeout);
      try {
        return await untilEnd();
      } finally {
        clearTimeout(timer);
      }
    }
    if (this.#state === 'created') await this.kill();
    return untilEnd();
  }

  /**
   * Stops all processes of the container; resolves when they stand still. The container's clocks go on: `timeout` is wall time.
   *
   * @throws NacelleError `ERR_STATE` unless it runs, `EBUSY` when a process can't be stopped; UnsupportedError
   */
  async pause(): Promise<void> {
    this.#expect('running', 'pause');
    this.#isPausing = true;
    try {
      // a process that joins would be frozen half way
      await Promise.allSettled(this.#joining);
      await freeze(`the container ${this.id}`, this.#record.current.group.paths);
      if (this.#state === 'running') this.#state = 'paused';
    } finally {
      this.#isPausing = false;
    }
  }

  /** Lets paused processes go on. @throws NacelleError `ERR_STATE` unless the container is paused, `EBUSY` when a group above is frozen */
  async resume(): Promise<void> {
    this.#expect('paused', 'resume');
    await thaw(`the container ${this.id}`, this.#record.current.group.paths);
    if (this.#state === 'paused') this.#state = 'running';
  }

  /**
   * Changes the container's limits while it lives. Limits that are not named stay as they are; `deviceRules` replace those given before.
   * `ulimits` and `scheduler` are of the process and can't be changed.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`, `ERR_STATE` after its end; UnsupportedError for a limit that can't be kept here;
   * SyscallError, EBUSY when more memory is in use than can be freed. The limits that were changed before it are then put back
   */
  async update(limits: Limits): Promise<void> {
    const parsed = parseGroupLimits(limits);
    if (this.#state === 'stopped') throw new NacelleError(`update the container ${this.id}: it has ended`, { code: 'ERR_STATE' });
    const record = this.#record.current;
    const { name, paths: before, leaf, bases } = record.group;
    const layout = withBases(groupLayout(), new Map(Object.entries(bases)));
    const deviceRules = parsed.deviceRules && deviceRulesOf(record.devices, parsed);
    const make = (steps: readonly Step[]) => this.#held.task.call(steps);
    const paths = await updateGroup({ layout, name, paths: before, limits: parsed, deviceRules, leaf, make });
    const { current } = this.#record;
    this.#record.current = { ...current, limits: { ...current.limits, ...parsed }, group: { ...current.group, paths } };
    // its end is judged by the last limits, whoever asks
    if (this.isDetached) writeNote(this.#record.current);
  }

  /**
   * Writes to a path in the container, through its own mounts, as the root of the container: also to one that stands still, has not started,
   * or has ended and was not removed. Text and bytes become a file, as does a {@link CopyIn}, whose source may be a tree; folders on the way
   * are made. They belong to the container's user unless `uid` and `gid` say otherwise. A file that is there is replaced, one that could not
   * be written to its end is removed.
   *
   * A stream is a tar, which is unpacked in the folder `path`; that must be there. Owners, modes, times and extended attributes are those of
   * the tar (as `docker cp -a`), and no link leads out of the folder. What was unpacked before a failure stays.
   *
   * Links in `path` are followed below the container's root, and those of /proc that lead elsewhere are refused. What is written to a tmpfs
   * counts for the memory of this process's group.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; `ERR_CLOSED` when it was removed; SyscallError: ENOENT for a folder that is not there, EROFS,
   * ENOSPC, ELOOP for a link of /proc; the stream's own error
   */
  async copyTo(path: string, source: string | Uint8Array | Readable | CopyIn): Promise<void> {
    await this.#filesFor('copyTo()').copyTo(parseCopyTo(path, source));
  }

  /**
   * A file or a tree of the container as a tar, read through its own mounts with no more right than the container's user has: also of one
   * that stands still, has not started, or has ended and was not removed. The names in it begin with the last one of `path`; when that ends
   * in '/', the tar has what is in the folder. Links on the way are followed below the container's root, the last name is not.
   *
   * The tar has owners (as numbers), modes, times, links, hard links, holes and extended attributes; sockets are left out, and files of /proc
   * are empty, as their sizes say. What can't be read ends the stream with an error. Destroying the stream ends the reading.
   *
   * @param options.maxBytes of the tar; a stream that would have more fails with `ERR_TOO_LARGE`. Default: no limit
   * @throws NacelleError `ERR_INVALID_OPTION`; `ERR_CLOSED` when it was removed; SyscallError: ENOENT, EACCES, ELOOP for a link of /proc
   */
  async copyFrom(path: string, options: { maxBytes?: Size | undefined } = {}): Promise<Readable> {
    return this.#filesFor('copyFrom()').copyFrom(parseCopyFrom(path, options));
  }

  #filesFor(what: string): ContainerFiles {
    if (this.#files) return this.#files;
    throw new UnsupportedError(what, 'the container was made by Container.run', 'Make it by Container.create.');
  }

  /**
   * What the program, and making its mounts, changed in the image's files, sorted by path, a folder before its content. It can be read
   * while the container runs, and after its end until it is removed. What the program writes meanwhile may be included or not:
   * {@link pause} it to be sure. Mounts are not included.
   *
   * @throws UnsupportedError with `rootfs`, which is written to itself; NacelleError `ERR_CLOSED` when it was removed; SyscallError
   */
  changes(): AsyncGenerator<Change, void, undefined> {
    return this.#changed('changes()').changes();
  }

  /**
   * The changes as the tar stream of an OCI layer, not compressed, as {@link OverlayFs.layer} gives it.
   *
   * @throws as {@link changes}; UnsupportedError with the image `host`, whose root is several mounts
   */
  layer(options: LayerOptions = {}): Promise<Readable> {
    return this.#changed('layer()').layer(options);
  }

  /** The image that it was made from: what `Image.commit` adds a layer to. @internal */
  get image(): Image | null {
    return this.#held.image;
  }

  #changed(what: string): RootChanges {
    if (this.#held.changes) return this.#held.changes;
    throw new UnsupportedError(what, 'its root is a folder that is written to itself', 'Run it on the folder as an image: dir:PATH.');
  }

  /**
   * What the program has written: of a detached container what its log keeps, from the oldest; of another what is kept for the result. Text
   * is decoded as UTF-8 with the encoding 'utf8'.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; `ERR_STATE` when the output goes elsewhere; in the loop SyscallError
   */
  logs(options: LogOptions = {}): AsyncIterable<LogRecord> {
    const parsed = parseLogOptions(options);
    const { detached } = this.#record.current;
    const { task, program } = this.#held;
    if (detached?.logs) return readLogs(detached.logs, parsed, { ended: task.ended, encoding: program.encoding });
    const { stdout, stderr } = program.streams.collected;
    if (stdout || stderr) return keptLogs(program.streams, parsed, { encoding: program.encoding });
    throw new NacelleError(`read the logs of the container ${this.id}: its output goes elsewhere`, { code: 'ERR_STATE' });
  }

  /**
   * Waits until the program has written a line (that has the string in it, or that the RegExp fits), or until a command in the container
   * succeeds; the command is tried again and again.
   *
   * @param options.timeout ms, default 60,000
   * @throws ContainerRunError, with the result, when the container ends before; NacelleError `ERR_TIMEOUT`, which says what was seen last,
   * `ERR_INVALID_OPTION`; the reason of `cancelSignal`
   */
  async waitFor(condition: WaitCondition, options: WaitOptions = {}): Promise<void> {
    const waitable: Waitable = {
      id: this.id,
      follow: (until) => this.#follow(until),
      tryCommand: (command, cancelSignal) => this.exec(command, { cancelSignal, maxBuffer: '64k' }),
      ended: (cancelSignal) => this.wait({ cancelSignal }),
    };
    return waitFor(waitable, condition, options);
  }

  /** The container as it is: its options as they were resolved, its image, state, groups, mounts and result. */
  async inspect(): Promise<ContainerInspect<E>> {
    const result = this.#state === 'stopped' ? await this.#end() : null;
    return inspected(this.#record.current, { pid: this.pid, state: this.#state, result });
  }

  #follow(until: Promise<unknown>): AsyncIterable<LogRecord> {
    const { detached } = this.#record.current;
    const { task, program } = this.#held;
    const follow = { follow: true };
    if (!detached?.logs) return keptLogs(program.streams, follow, { encoding: 'utf8', until });
    return readLogs(detached.logs, follow, { ended: Promise.race([task.ended, until]), encoding: 'utf8' });
  }

  /** What the container's groups have counted until now; after its end, what they had counted by then. */
  async stats(): Promise<Usage> {
    if (this.#state === 'stopped') return (await this.#end()).usage;
    const { group, limits } = this.#record.current;
    const files = readGroupFiles(group.usage.map(({ at }) => at)).map((text) => (text === null ? null : Buffer.from(text)));
    const { usage } = groupEvidence(readUsage(group.usage, files), limits.memory ?? null);
    return usageOf({ userMs: 0, systemMs: 0, maxRssBytes: 0, voluntarySwitches: 0, involuntarySwitches: 0 }, usage);
  }

  /**
   * One of its namespaces, as a handle of its own.
   *
   * @throws NacelleError `ERR_STATE` when it has ended: its namespaces went with it
   */
  async namespace(type: NamespaceType): Promise<Namespace> {
    const what = `open the ${type} namespace of the container ${this.id}`;
    if (this.#state === 'stopped') throw new NacelleError(`${what}: it has ended`, { code: 'ERR_STATE' });
    try {
      return await Namespace.ofTask(this.#held.task, type, this.#held.slot);
    } catch (cause) {
      const hasEnded = cause instanceof NacelleError && ['ERR_ENDED', 'ESRCH'].includes(cause.code);
      throw hasEnded ? new NacelleError(`${what}: it has ended`, { code: 'ERR_STATE', cause }) : cause;
    }
  }

  /**
   * Removes the container; with `force` it is killed when it still runs. Idempotent. @throws NacelleError `ERR_STATE` while it runs,
   * without `force`
   */
  async remove({ force = false }: { force?: boolean | undefined } = {}): Promise<void> {
    if ((this.#state === 'running' || this.#state === 'paused') && !force) {
      throw new NacelleError(`remove the container ${this.id}: it is ${this.#state}. Stop it, or use force`, { code: 'ERR_STATE' });
    }
    this.#removed ??= this.#remove();
    await this.#removed;
  }

  /** Removes the container; a detached one goes on, and only this handle is closed. */
  async [asyncDispose](): Promise<void> {
    if (this.isDetached) await this.#close();
    else await this.remove({ force: true });
  }

  async #close(): Promise<void> {
    this.#held.program.streams.close();
    await this.#held.changes?.close();
    this.#held.inside?.close();
    this.#connection?.close();
  }

  async #removeDetached(): Promise<void> {
    const { task } = this.#held;
    try {
      if (this.#state !== 'stopped') await this.kill();
      task.ref();
      await task.ended;
      await task.close();
    } finally {
      await this.#close();
    }
  }

  async #remove(): Promise<void> {
    if (this.isDetached) return this.#removeDetached();
    const ended = this.#end();
    // the caller waits for the removal, so Node stays alive for it, also after `unref`
    this.#held.task.ref();
    try {
      if (this.#state !== 'stopped') await this.kill();
      await ended.catch((error: unknown) => {
        // `start` or `wait` has thrown this failure already; only what could not be cleaned up is new here
        const left = error instanceof NacelleError ? error.cleanupError : undefined;
        if (left) throw left;
      });
    } finally {
      this.#held.program.streams.close();
      await this.#files?.close();
      await this.#held.changes?.close().finally(() => this.#held.release());
    }
  }

  #info(): ContainerInfo {
    const { id, name, pid, state } = this;
    const { command, labels, createdAt } = this.#record.current;
    return { id, name, pid, state, command, labels, createdAt: new Date(createdAt) };
  }

  #expect(state: State, what: string): void {
    if (this.#state !== state) throw new NacelleError(`${what} the container ${this.id}: it is ${this.#state}`, { code: 'ERR_STATE' });
  }

  #end(): Promise<RunResult<E>> {
    if (!this.#outcome) {
      if (!this.#isLetGo) this.#keepAlive(true);
      this.#outcome = this.#finish();
      // whoever calls `wait` later gets this failure, so it must not count as unhandled
      this.#outcome.catch(() => undefined);
    }
    return this.#outcome;
  }

  async #finish(): Promise<RunResult<E>> {
    const { copyOut: paths, copyOutMax: max } = this.#record.current;
    const { program, inside, keepsInside, changes, release } = this.#held;
    const isRead = inside !== null && paths.length > 0;
    try {
      return await program.wait(
        !isRead
          ? undefined
          : () => copyOut(keepsInside ? { ...inside, close: () => undefined } : inside, paths, { max, ...program.cancelling }),
      );
    } finally {
      this.#state = 'stopped';
      // `changes` can be read until the container is removed, and lie on the image's layers: these are then kept as long
      if (!changes) release();
      if (!keepsInside) inside?.close();
    }
  }
}
