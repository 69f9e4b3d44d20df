import type { Duplex, Readable, Writable } from 'node:stream';
import { invalidOption } from '../errors.js';
import type { Change } from '../filesystem/change.js';
import { startAhead } from '../host/container-shim.js';
import type { Image } from '../image/image.js';
import type { Namespace } from '../namespace/namespace.js';
import { asyncDispose } from '../native/async-dispose.js';
import type { Connection } from '../native/connection.js';
import { beginTrace, traced } from '../native/trace.js';
import type { WantedNetwork } from '../network/bridge/attach-network.js';
import type { EgressOptions } from '../network/egress/egress-options.js';
import type { PortMapping, PublishedPort } from '../network/ports/port-mapping.js';
import { word } from '../options/common-schemas.js';
import type { LayerOptions } from '../options/layer-options.js';
import { parseOptions } from '../options/parse-options.js';
import type { Size } from '../options/size.js';
import type { NamespaceType } from '../plan/namespace-types.js';
import { execute, refuse } from '../process/execute.js';
import { parseCommand, parseTerminalSize } from '../process/options/process-options.js';
import type { Encoding, Execution, RunResult, TerminalSize, Usage } from '../process/options/process-types.js';
import { Program } from '../process/program.js';
import { readBundle } from './bundle/read-bundle.js';
import { findContainer } from './detached/attach.js';
import { partsOfAttached, partsOfLaunched, stateOfAttached } from './detached/detached-parts.js';
import { launchDetached } from './detached/launch-detached.js';
import { detachedContainers } from './detached/list-containers.js';
import { pruneContainers } from './detached/prune-containers.js';
import { containerEvents } from './events/container-events.js';
import { waitFor } from './exec/wait-for.js';
import { inspectLife } from './inspect.js';
import { connect } from './life/connect.js';
import { changesOf, filesOf } from './life/content.js';
import { join } from './life/join.js';
import { Life, live } from './life/life.js';
import { type ContainerUpdate, update } from './life/limits-update.js';
import { joinNetwork, leaveNetwork } from './life/networks.js';
import { openNamespace } from './life/open-namespace.js';
import { logs } from './life/output.js';
import { setEgress, withList } from './life/own-egress.js';
import { pause, resume } from './life/pause.js';
import { publish, publishedPorts, unpublish } from './life/publish.js';
import { remove } from './life/removal.js';
import { followRuns, restart } from './life/runs.js';
import { stats } from './life/stats.js';
import { kill, stop } from './life/stop.js';
import { tell } from './life/tell.js';
import { toBundle } from './life/to-bundle.js';
import { upgrade } from './life/upgrade.js';
import { parseConnect } from './options/connect-options.js';
import { parseFilter } from './options/container-filter.js';
import { type OwnFile, type ParsedOptions, parseRunOptions } from './options/container-options.js';
import type { ContainerOptions, CopyIn, ExecOptions, RunOptions } from './options/container-types.js';
import { parseCopyFrom, parseCopyTo } from './options/copy-options.js';
import type { ContainerEvent, EventOptions } from './options/event-types.js';
import { parseExec } from './options/exec-options.js';
import type { ContainerInspect } from './options/inspect-types.js';
import { isRunAgain } from './options/lifecycle.js';
import type { ContainerFilter, ContainerInfo, ContainerPruneReport, State } from './options/list-types.js';
import type { LogOptions, LogRecord } from './options/log-types.js';
import { parsePort, parsePublished } from './options/ports-option.js';
import type { PortOptions, WaitCondition, WaitOptions } from './options/wait-types.js';
import { besideMadeAhead } from './pool/beside-made-ahead.js';
import { ContainerPool } from './pool/container-pool.js';
import { launchRun } from './pool/launch-run.js';
import type { PoolOptions } from './pool/pool-options.js';
import { type ContainerRecord, networkNames } from './start/container-record.js';
import type { Parts } from './start/launch.js';
import { launchIsolated } from './start/launch-isolated.js';
import { waitable } from './waitable.js';

/**
 * A sandbox with one program: namespaces, cgroups, a root file system, and what confines it. `run` is all of a life
 * in one call; `create` and `start` take it apart.
 */
export class Container<E extends Encoding = Encoding> implements AsyncDisposable {
  readonly id: string;
  readonly name: string | null;
  readonly #life: Life<E>;

  private constructor(parts: Parts<E> & { connection?: Connection | null }, state: State = 'created') {
    this.#life = new Life(parts, state);
    followRuns(this.#life);
    this.id = this.#life.id;
    this.name = parts.record.current.name;
  }

  /** Whether it outlives this process. */
  get isDetached(): boolean {
    return this.#life.isDetached;
  }

  /** The names of the networks of its network namespace, for whoever shares that: a container that has joined it may outlive the first one. @internal */
  get networks(): readonly string[] {
    this.#life.learn();
    return networkNames(this.#life.record.current);
  }

  /** What may be sent by its links to them. @internal */
  get guarded(): ContainerRecord['guarded'] {
    this.#life.learn();
    return this.#life.record.current.guarded;
  }

  /** @internal */
  joinNetwork(network: WantedNetwork): Promise<void> {
    return joinNetwork(this.#life, network);
  }

  /** @internal */
  leaveNetwork(name: string): Promise<void> {
    return leaveNetwork(this.#life, name);
  }

  /** What its programs reach is a list: whoever shares its network asks for names as they do. @internal */
  get hasEgress(): boolean {
    return (this.#life.record.current.options?.egress ?? null) !== null;
  }

  /** Who begins to share its network while its list is lifted or put back would be held to the border of before. @internal */
  withList<T>(work: () => Promise<T>): Promise<T> {
    return withList(this.#life, work);
  }

  /** As `hasEgress`, for names that are asked for everywhere. @internal */
  get hasPasta(): boolean {
    return this.#life.record.current.options?.network === 'pasta';
  }

  /** Whether it goes with this process. @internal */
  get isOwned(): boolean {
    return !this.isDetached;
  }

  /**
   * Runs a program in a container of its own and resolves when all of it is gone, but for its control groups and what networks by bridges have given it, where
   * nothing else is left: these go next, while Node stays alive, and a failure of that is told by a `NacelleWarning` with the code `ERR_CLEANUP`. What the program did is in the
   * result; with `reject: true` a failure rejects.
   *
   * From the second run within a second on whose options differ in nothing but what a run of a pool may have of its own, containers are made for the next
   * ones before these are asked for, where they show nothing of yours but an image that is the host or a folder, and tmpfs mounts. What nobody takes goes a second
   * after the last run.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`, UnsupportedError, ImageError, SyscallError: the sandbox could not be made, and
   * nothing is left of it; `ERR_CLEANUP`: the program has run, and something that others may want again, or a group that others than the container's
   * own use, could not be undone: `reap()` tries again when this process has ended; ContainerRunError with `reject: true`
   */
  static run<E extends Encoding = 'utf8'>(options: RunOptions<E>): Execution<E> {
    try {
      startAhead();
      const trace = beginTrace('Container.run');
      const parsed = parseRunOptions(options);
      trace?.did('check the options');
      if (parsed.detached) throw invalidOption('detach', 'is for Container.create: run waits for the end');
      if (parsed.restart) throw invalidOption('restart', 'is for Container.create: run is one run');
      const { process, entrypoint, command } = parsed;
      const start = async (program: Program<E>): Promise<Container<E>> => {
        const container = new Container<E>(await launchRun<E>(program, parsed));
        container.#life.runsOnce();
        program.begin();
        return container;
      };
      return execute<E>(process, [...(entrypoint ?? []), ...(command ?? [])], start, trace);
    } catch (error) {
      return refuse<E>(error);
    }
  }

  /**
   * Makes everything of a container and parks its program just before execve. The container ends with this process (or Worker) unless it is
   * detached, or removed before. It keeps Node alive only when it was started, or when its end is waited for.
   *
   * @throws as {@link Container.run}, but for what the program did; the reason of `cancelSignal`, and nothing is left of the container
   */
  static async create<E extends Encoding = 'utf8'>(options: ContainerOptions<E>): Promise<Container<E>> {
    return traced('Container.create', () => Container.#create<E>(parseRunOptions(options)));
  }

  /** As {@link Container.create}, with files in memory, of which nothing comes into {@link Container.layer}. @internal */
  static async createWithFiles(options: ContainerOptions<'utf8'>, files: readonly OwnFile[]): Promise<Container<'utf8'>> {
    return Container.#create<'utf8'>({ ...parseRunOptions(options), files });
  }

  static async #create<E extends Encoding>(parsed: ParsedOptions): Promise<Container<E>> {
    const { detached } = parsed;
    if (detached) return new Container<E>(await partsOfLaunched<E>(await launchDetached(parsed, detached)));
    const program = new Program<E>(isRunAgain(parsed) ? { ...parsed.process, cancelSignal: null } : parsed.process);
    try {
      const container = new Container<E>(await besideMadeAhead(() => launchIsolated<E>(program, parsed, { park: true })));
      container.#life.keepAlive(false);
      return container;
    } catch (error) {
      program.streams.close();
      throw error;
    }
  }

  /**
   * Makes containers of these options before they are needed, of which `pool.ready` wait for a run at any time: a run that finds one has
   * only what is its own still to come. It resolves when all of them wait. Each is used once. What a run may have of its own is in
   * {@link ContainerPool.run}; a command may be given there alone.
   *
   * Where the image is the host, each run looks whether its mounts or the files to be hidden have changed since: then those that wait are undone, and the
   * run has a container of its own, as all have until others wait.
   *
   * Where each has ids or addresses of its own (`userns`, `network`), those of some more than wait are taken ahead, until the pool is closed.
   *
   * @throws as {@link Container.run}; NacelleError `ERR_INVALID_OPTION` for what is of one container, or would be another after a wait: `name`,
   * `detach`, `restart`, `healthcheck`, `timeOffsets`, `ip`, `mac`, `ports` (a run may have some), `cgroup`, `cgroupParent`, networks of CNI's plugins, namespaces
   * that are joined by a descriptor, an upper on disk, `isolation: 'landlock'`
   */
  static pool<E extends Encoding = 'utf8'>(options: ContainerOptions<E>, pool: PoolOptions = {}): Promise<ContainerPool<E>> {
    return ContainerPool.open<E>(options, pool, <F extends Encoding>(program: Program<F>, parts: Parts<F>) => {
      const container = new Container<F>(parts);
      container.#life.runsOnce();
      program.begin();
      return container;
    });
  }

  /**
   * A handle of a detached container, by its id or name, from any process of the same user in the same mount and pid namespaces. Its streams
   * are live from now on; what came before is in {@link logs}.
   *
   * @throws NacelleError `ERR_NO_CONTAINER`; `ERR_NOT_OWN`: the runtime folder is another user's; `ERR_SHIM_SILENT` when its shim does not answer
   * in 5 s; `ERR_SHIM_MESSAGE` when the answer can't be understood; `ERR_SHIM_VERSION`; `ERR_NOTE`; ShimError; SyscallError
   */
  static async attach(idOrName: string): Promise<Container> {
    const attached = await findContainer(parseOptions(word, idOrName, 'idOrName'));
    const state = stateOfAttached(attached);
    return new Container(await partsOfAttached<Encoding>(attached), state);
  }

  /**
   * The containers of this process (or Worker) and all detached ones of this user that are there now, the oldest first.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; `ERR_NOT_OWN`: the runtime folder is another user's; SyscallError
   */
  static async list(filter: ContainerFilter = {}): Promise<ContainerInfo[]> {
    const wanted = parseFilter(filter);
    const own = live
      .values()
      .filter(({ isDetached }) => !isDetached)
      .map(({ info }) => info);
    return [...own, ...(await detachedContainers())].filter(wanted);
  }

  /**
   * Removes the detached containers that have ended.
   *
   * @throws NacelleError `ERR_NOT_OWN`: the runtime folder is another user's; SyscallError; else the first failure, with the others as its
   * `cleanupError`, when all were tried
   */
  static async prune(): Promise<ContainerPruneReport> {
    return { containers: await pruneContainers() };
  }

  /**
   * The options that a bundle stands for, a folder with a config.json of the OCI runtime spec 1.3 (config.md, config-linux.md): what `run` and `create`
   * take. Files are neither made nor changed. A relative `root.path` or source of a bind is below the bundle.
   *
   * What every container has anyway may be there or not: the mounts at /proc, /sys, /dev and below, the devices of /dev, and the files
   * /etc/hosts, hostname and resolv.conf. `linux.seccomp` as {@link toBundle} writes it is 'default'. Namespaces that are given by a path are
   * opened, and are the caller's to close: `options.namespaces`. What options can't say, such as hooks, is refused by its path, and so is what
   * nobody but root may have (docs/oci.md). The options have what config.json asks for, binds of the whole machine included: it has to be as trusted
   * as your own options.
   *
   * @param path the bundle's folder
   * @throws NacelleError `ERR_INVALID_OPTION`: config.json is no regular file of at most 10 MiB, or not as the spec says, with the field;
   * UnsupportedError: a field that options can't say, by its path; SyscallError
   */
  static async fromBundle(path: string): Promise<ContainerOptions> {
    return readBundle(path);
  }

  /**
   * What happens from now on to the containers of this process (or Worker) and to all detached ones of this user, whoever makes them and acts
   * on them. Each loop over it begins anew: nothing that came before is told, and all that comes after it has begun is.
   *
   * Events of one container come in the order in which they happened; each has docker's name. A loop that takes them slowly holds up no
   * container: of more than 1,024 events that wait the oldest are left out, and the next one says how many (`lost`). A detached container
   * whose supervisor dies while it runs has an event 'die' without exit code, and 'destroy' when what is left is removed.
   *
   * The loop goes on until it is left or `cancelSignal` is aborted. It keeps Node alive only while it waits for an event.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; in the loop the reason of `cancelSignal`, NacelleError `ERR_NOT_OWN`, and SyscallError: ENOSPC
   * when this user's watches (inotify(7)) are used up
   */
  static events(options: EventOptions = {}): AsyncIterable<ContainerEvent> {
    return containerEvents(options);
  }

  /** The pid of its first process, in this process's pid namespace. After its end the number may be another process's. */
  get pid(): number {
    return this.#life.held.task.pid;
  }

  get state(): State {
    return this.#life.state;
  }

  get stdin(): Writable | null {
    return this.#life.held.program.streams.stdin;
  }

  /** What the program writes, as {@link Execution.stdout}. */
  get stdout(): Readable | null {
    return this.#life.held.program.streams.stdout;
  }

  /** As {@link stdout}. */
  get stderr(): Readable | null {
    return this.#life.held.program.streams.stderr;
  }

  /** Runs the program. @throws NacelleError `ERR_STATE` when it was started before */
  async start(): Promise<void> {
    await this.#life.start();
  }

  /** Lets Node end while the container runs; the container is killed then, unless it is detached. Before {@link start} this is so anyway. */
  unref(): void {
    this.#life.unref();
  }

  /** Keeps Node alive until the container's end, as a started container does until {@link unref}. */
  ref(): void {
    this.#life.ref();
  }

  /**
   * Waits for the container's end, as often as you like. When `cancelSignal` is aborted before the end, the promise rejects with the
   * signal's reason, and the container goes on.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; as {@link Container.run}; ShimError, and NacelleError `ERR_SHIM_MESSAGE` when its shim sent what
   * can't be understood
   */
  wait(options: { cancelSignal?: AbortSignal | undefined } = {}): Promise<RunResult<E>> {
    const ended = this.#life.waited(options);
    // this rejection must not count as unhandled: `wait` may be called before `start`, which rejects with the same error
    ended.catch(() => undefined);
    return ended;
  }

  /**
   * Runs one more program in the container while it runs. The program joins the namespaces, the limits and the confinement of the container's
   * own program. It has a group of its own below the container's: its clocks, its limits, a cancel and `kill` end its whole tree and nothing
   * else. What it leaves running in the background ends with it.
   *
   * What is not given is as for the container's own program: `user`, `groupAdd`, `cwd` (which must exist), `umask` and the environment, to
   * which `env` is added. Names of users and groups are looked up in the container's files as they are now.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; `ERR_STATE` when the container was not started, is paused or has ended; UnsupportedError for a
   * limit that can't be kept; SyscallError with the kernel's reason: ENOENT or EACCES for a program that can't be run (docker's 127 and 126).
   * Linux 5.8 (setns(2) by a pidfd)
   */
  exec<F extends Encoding = 'utf8'>(command: readonly string[], options?: ExecOptions<F>): Execution<F> {
    try {
      const argv = parseCommand(command);
      const parsed = parseExec(options, this.#life.record.current.options?.profile ?? null);
      return execute<F>(parsed.process, argv, (program) => join(this.#life, program, { command: argv, options: parsed }));
    } catch (error) {
      return refuse<F>(error);
    }
  }

  /** Changes the size of the terminal of the container's own program, as {@link Execution.resize}. */
  async resize(size: TerminalSize): Promise<void> {
    const parsed = parseTerminalSize(size);
    this.#life.held.program.resize(parsed);
    tell(this.#life, { type: 'resize', size: parsed });
  }

  /**
   * SIGKILL, the default, goes to the whole tree, paused or not; another signal to the first process, when it is not paused. After the end
   * the call does nothing.
   */
  async kill(signal: NodeJS.Signals | number = 'SIGKILL'): Promise<void> {
    await kill(this.#life, signal);
  }

  /**
   * Sends the image's StopSignal, or SIGTERM, to the first process, and after `timeout` (ms, default 10,000) SIGKILL to the tree. A paused
   * container goes on for it. When `cancelSignal` is aborted before the end, the promise rejects with the signal's reason, and no SIGKILL
   * is sent any more.
   *
   * @throws NacelleError `ERR_INVALID_OPTION` for a timeout that no timer keeps: it must be from 0 to 2,147,483,647
   */
  async stop(options: { timeout?: number | undefined; cancelSignal?: AbortSignal | undefined } = {}): Promise<RunResult<E>> {
    return stop(this.#life, options);
  }

  /**
   * Ends the program as {@link stop} does, and starts it again: in the same root with its changes, the same groups and volumes, and new
   * namespaces; what lies on a tmpfs is gone. `wait` goes on: it tells the last end. A container that was not started is started, whatever it
   * is made with.
   *
   * @param options.timeout ms until SIGKILL. Default 10,000
   * @throws NacelleError `ERR_STATE` when it has ended, `ERR_INVALID_OPTION`; UnsupportedError for a container that has neither `restart` nor
   * `detach`, or has a terminal
   */
  async restart(options: { timeout?: number | undefined } = {}): Promise<void> {
    await restart(this.#life, options);
  }

  /**
   * Stops all processes of the container; resolves when they stand still. The container's clocks go on: `timeout` is wall time.
   *
   * @throws NacelleError `ERR_STATE` unless it runs, `EBUSY` when a process can't be stopped; UnsupportedError
   */
  async pause(): Promise<void> {
    await pause(this.#life);
  }

  /** Lets paused processes go on. @throws NacelleError `ERR_STATE` unless the container is paused, `EBUSY` when a group above is frozen */
  async resume(): Promise<void> {
    await resume(this.#life);
  }

  /**
   * Changes the container's limits while it lives. Limits that are not named stay as they are; `deviceRules` replace those given before, and so does
   * `bandwidth`, of each of its links: what it doesn't name is without limit, and `null` lifts it. `ulimits` and `scheduler` are of the process and
   * can't be changed.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`, `ERR_STATE` after its end; UnsupportedError for a limit that can't be kept here;
   * SyscallError, EBUSY when more memory is in use than can be freed. The limits that were changed before it are then put back
   */
  async update(limits: ContainerUpdate): Promise<void> {
    await update(this.#life, limits);
  }

  /**
   * Changes what its programs may connect to: the lists take the place of those that it has by the option `egress`, also in later runs and for whoever
   * shares its network. Connections that go where the new lists don't allow are reset. `onDenied` hears of what is refused from then on, in the place
   * of the one before, which stays without `onDenied`. Any process with a handle of a detached container can do this. It resolves once the new lists
   * hold.
   *
   * `null` lifts the list: the connections that it carried are reset, and the container has what its network gives without `egress`. That of a container on no
   * network is the loopback and `hostPorts`, until it joins one. Other lists can be given again later, which puts `egress` back. On networks neither can be done
   * while another container shares its network, which holds the border as well.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; `ERR_STATE` when it has ended, or is restarting; `ERR_IN_USE` where a list is lifted or put
   * back while another container shares its links to networks; UnsupportedError for a container that was made without `egress`, or by an older version; where a
   * list is lifted or put back and its networks are in another network namespace than this process, or are more than 64; and for a list that is put
   * back while it is on a network of macvlan or ipvlan, of which no rule here sees what is sent; SyscallError, EBUSY when the
   * processes that carry its connections have not answered within 60 s: other lists leave those before as they were, and one that can't be lifted is
   * served anew or, where that fails too, leads nowhere until it is given again
   */
  async setEgress(egress: EgressOptions | null): Promise<void> {
    await setEgress(this.#life, egress);
  }

  /**
   * Has the supervisor of this library take over a detached container that an older version of nacelle has made: in the same process, while
   * the container runs on. Until then what the older one can't do is an UnsupportedError; all else works without it. Handles of other
   * processes, also of the older version, go on.
   *
   * @returns whether it took over: `false` when the other is not older
   * @throws NacelleError `ERR_STATE` unless it is detached; `ERR_ENDED` when its supervisor has gone; `ERR_SHIM_SILENT`; ShimError;
   * SyscallError, and the older one goes on: EBUSY when something was under way for 4 s, ENOTSUP when this version can't end or restart
   * what the older one has made. Linux 3.19 (execveat(2))
   */
  async upgrade(): Promise<boolean> {
    return upgrade(this.#life);
  }

  /**
   * Writes to a path in the container, through its own mounts, as the root of the container: also to one that stands still, has not started,
   * or has ended and was not removed. Text and bytes become a file, as does a {@link CopyIn}, whose source may be a tree, and must be one
   * where `path` ends in '/'; folders on the way are made. They belong to the container's user unless `uid` and `gid` say otherwise. A file
   * that is there is replaced, one that could not be written to its end is removed.
   *
   * A stream is a tar, not compressed, which is unpacked in the folder `path`; that must be there. Owners, modes, times and extended attributes are those of
   * the tar (as `docker cp -a`), and no link leads out of the folder. What was unpacked before a failure stays.
   *
   * Links in `path` are followed below the container's root, and those of /proc that lead elsewhere are refused. What is written to a tmpfs
   * counts for the memory of this process's group.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; `ERR_CLOSED` when it was removed; SyscallError: ENOENT for a folder that is not there, EROFS,
   * ENOSPC, ELOOP for a link of /proc; the stream's own error
   */
  async copyTo(path: string, source: string | Uint8Array | Readable | CopyIn): Promise<void> {
    await filesOf(this.#life, 'copyTo()').copyTo(parseCopyTo(path, source));
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
    return filesOf(this.#life, 'copyFrom()').copyFrom(parseCopyFrom(path, options));
  }

  /**
   * What the program, and making its mounts, changed in the image's files, sorted by path, a folder before its content. It can be read
   * while the container runs, and after its end until it is removed. What the program writes meanwhile may be included or not:
   * {@link pause} it to be sure. Mounts are not included.
   *
   * @throws UnsupportedError with `rootfs`, which is written to itself; NacelleError `ERR_CLOSED` when it was removed; SyscallError
   */
  changes(): AsyncGenerator<Change, void, undefined> {
    return changesOf(this.#life, 'changes()').changes();
  }

  /**
   * The changes as the tar stream of an OCI layer, not compressed, as {@link OverlayFs.layer} gives it.
   *
   * @throws as {@link changes}; UnsupportedError with the image `host`, whose root is several mounts
   */
  layer(options: LayerOptions = {}): Promise<Readable> {
    return changesOf(this.#life, 'layer()').layer(options);
  }

  /** The image that it was made from: what `Image.commit` adds a layer to. @internal */
  get image(): Image | null {
    return this.#life.held.image;
  }

  /**
   * What the program has written: of a detached container what its log keeps, from the oldest; of another what is kept for the result. Text
   * is decoded as UTF-8 with the encoding 'utf8'.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; `ERR_STATE` when the output goes elsewhere; in the loop SyscallError
   */
  logs(options: LogOptions = {}): AsyncIterable<LogRecord> {
    return logs(this.#life, options);
  }

  /**
   * A TCP stream to a port in the container's network: with any network, also none, and without a port on the host. The container's supervisor
   * has the socket made inside its network namespace, and this process connects it.
   *
   * Each side ends its writing by itself: the stream can be read after `end()`, and written after the other's end. What has come before the
   * container's end can still be read. The stream keeps the network of that run until it is closed, which `remove()` does at the latest. As
   * any socket, it keeps Node alive.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; `ERR_STATE` when it has ended, or is restarting; `ERR_TIMEOUT`; `ERR_CLOSED` when it is removed
   * meanwhile; SyscallError: ECONNREFUSED when nobody listens, EHOSTUNREACH, ETIMEDOUT and others of connect(2); UnsupportedError for a
   * container under Landlock that may listen on no port, and where an older version's supervisor has the container; the reason of `cancelSignal`
   */
  async connect(port: number, options: PortOptions = {}): Promise<Duplex> {
    return connect(this.#life, parseConnect(port, options));
  }

  /**
   * Waits until the program has written a line (that has the string in it, or that the RegExp fits), until a command in the container
   * succeeds, which is tried again and again, until the container's healthcheck says that it is healthy, until somebody listens on a port, or
   * until a GET is answered with a status. As with {@link connect}, ports are those of the container's network; a connection that tells of a
   * listener is closed at once, and a request that is not answered within 5 s is tried again.
   *
   * @param options.timeout ms, default 60,000
   * @throws ContainerRunError, with the result, when the container ends before; NacelleError `ERR_TIMEOUT`, which says what was seen last,
   * `ERR_INVALID_OPTION`, `ERR_STATE` for the health of a container without a healthcheck; UnsupportedError as {@link exec} and
   * {@link connect}; the reason of `cancelSignal`
   */
  async waitFor(condition: WaitCondition, options: WaitOptions = {}): Promise<void> {
    return waitFor(waitable(this.#life, this), condition, options);
  }

  /** Ports of this machine that lead to it, as far as this process knows: others may publish ports of a detached one, of which `inspect` tells. */
  get ports(): PublishedPort[] {
    return publishedPorts(this.#life);
  }

  /**
   * Publishes one more port while the container lives, as the option `ports` says.
   *
   * @returns the port as it is, with the number that was chosen
   * @throws NacelleError `ERR_INVALID_OPTION`; `ERR_PORT_IN_USE`, which names who has the port; `ERR_PORTS`: it has published a thousand; `ERR_STATE` when it
   * has ended; UnsupportedError where it has no link to a network, from another network namespace, for a port that this user may not have, and where an older
   * version's supervisor has an ordinary user's container; SyscallError
   */
  async publish(port: string | PortMapping): Promise<PublishedPort> {
    return publish(this.#life, parsePort(port));
  }

  /**
   * Publishes a port no more, and lets others have it. Flows of UDP end with that; connections of TCP that were made before go on until they end, but for those by this machine's loopback, and all without root, which are
   * reset.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`: it is none of the container's; else as {@link publish}
   */
  async unpublish(port: PublishedPort): Promise<void> {
    await unpublish(this.#life, parsePublished(port));
  }

  /**
   * Writes a bundle of the container, a folder with a config.json of the OCI runtime spec 1.3, which runc, crun and others run. The container goes
   * on as it was. Its limits are those of now. A `rootfs` stays where it is; the files of an image are copied to the folder `rootfs` in the bundle,
   * without what the container has changed. The bundle's folder is the caller's alone (mode 0700).
   *
   * @param path a folder that is empty, a link to one, or not there: it is made, with those above it
   * @returns `left`: the names of the options that config.json can't say, such as 'image', 'timeout' or 'network'
   * @throws NacelleError `ERR_INVALID_OPTION`: something is at the path, or others could put something there, for a folder above it is another
   * user's, or for all to write to without the sticky bit; `ERR_STATE`: a user that is not given as 'uid:gid', after the start, for only the
   * process that waits for it tells the numbers; `ERR_CLOSED`: it was removed; UnsupportedError for the image 'host', for one under
   * Landlock or in an ordinary user's user namespace, and for one that an older version made; ImageError; SyscallError. Nothing is left at the path then
   */
  async toBundle(path: string): Promise<{ left: string[] }> {
    return toBundle(this.#life, path);
  }

  /** The container as it is: its options as they were resolved, its image, state, groups, mounts and result. */
  async inspect(): Promise<ContainerInspect<E>> {
    return inspectLife(this.#life);
  }

  /**
   * What the container's groups have counted until now; after its end, what they had counted by then. Where no group counts, what the first
   * process has used, and the children that it has waited for. What its links have counted is told while it has them (`network`).
   */
  async stats(): Promise<Usage> {
    return stats(this.#life);
  }

  /**
   * One of its namespaces, as a handle of its own.
   *
   * @throws NacelleError `ERR_STATE` when it has ended: its namespaces went with it
   */
  async namespace(type: NamespaceType): Promise<Namespace> {
    return openNamespace(this.#life, type);
  }

  /**
   * Removes the container; with `force` it is killed when it still runs. Idempotent. @throws NacelleError `ERR_STATE` while it runs,
   * without `force`
   */
  async remove({ force = false }: { force?: boolean | undefined } = {}): Promise<void> {
    await remove(this.#life, { force });
  }

  /** Removes the container; a detached one goes on, and only this handle is closed. */
  async [asyncDispose](): Promise<void> {
    if (!this.isDetached) return this.remove({ force: true });
    this.#life.connections.close();
    await this.#life.close();
  }
}
