import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NacelleError, UnsupportedError } from '../errors.js';
import { cgroupLayout, type GroupLayout, groupLayout } from '../host/cgroup-base.js';
import { deviceFilter } from '../host/device-filter-support.js';
import { hostEnvironment } from '../host/environment.js';
import { asyncDispose } from '../native/async-dispose.js';
import { carryOut } from '../native/host-work.js';
import { start } from '../native/shim.js';
import type { TaskEnd } from '../native/task.js';
import type { Limits } from '../options/limits.js';
import { newId } from '../plan/id.js';
import { Slots } from '../plan/plan.js';
import { unlessAborted } from '../process/abort.js';
import { execute, refuse } from '../process/execute.js';
import { type ParsedProcess, parseCommand, parseProgramOptions } from '../process/options/process-options.js';
import type { Encoding, Execution, ProgramOptions } from '../process/options/process-types.js';
import type { Program, ProgramFacts } from '../process/program.js';
import { type GroupEvidence, noLimits } from '../process/result.js';
import { type NamedGroup, parseCreate, parseEventOptions, parseGroupLimits, parseName, parsePid } from './cgroup-options.js';
import { isRunGroup, planCgroupRun, runUsage } from './cgroup-run.js';
import { devicesAbove } from './devices-above.js';
import type { CgroupEvent } from './events/event-counts.js';
import { watchGroup } from './events/group-watch.js';
import { groupsIn, hugePageSizes, readGroupFile, readGroupFiles } from './files/group-files.js';
import type { ReadFile } from './files/interface-file-formats.js';
import { freeze, lift, thaw, untilEmpty } from './freezer.js';
import { basesBeside, groupControllers, homeOf, pathOf, planGroup, planKill } from './group-plan.js';
import { findDisks, groupFiles } from './group-probe.js';
import { makeGroup, type OwnedGroup, removeGroup, withoutGroup } from './make-group.js';
import { moveAbove, moveTo } from './move-processes.js';
import { holdGroups } from './parent-folders.js';
import { realTimeAbove } from './real-time.js';
import { type CgroupStats, readStats, statsFiles } from './stats/group-stats.js';
import { blameOom, countersSince, type GroupCounters, readCounters } from './stats/usage.js';
import { updateGroup } from './update-limits.js';

/**
 * A group of processes that are limited and counted together (cgroups(7)), on v1, v2 or both: a folder below nacelle's own in each
 * hierarchy. The group is removed with its owner unless it persists.
 */
export class Cgroup implements AsyncDisposable {
  /** Below nacelle's own root: 'judge', 'judge/7'. */
  readonly name: string;
  /** Absolute folders by controller; 'unified' for the v2 tree. */
  readonly paths: Record<string, string>;
  readonly controllers: string[];
  /** What removes the group with its owner; `null` for a group that was opened, or persists. */
  readonly #owned: OwnedGroup | null;
  #removed: Promise<void> | undefined;

  /** Whether it goes with this process. @internal */
  get isOwned(): boolean {
    return this.#owned !== null;
  }

  private constructor(name: string, paths: Readonly<Record<string, string>>, owned: OwnedGroup | null) {
    this.name = name;
    this.paths = { ...paths };
    this.controllers = Object.keys(paths).filter((key) => key !== 'unified');
    this.#owned = owned;
  }

  /** How this machine's controllers are mounted. */
  static async mode(): Promise<'v1' | 'v2' | 'hybrid'> {
    return cgroupLayout().mode;
  }

  /**
   * Makes a group with its limits. Folders above it are made where they are missing, without limits.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`, `EEXIST`; UnsupportedError when a limit can't be kept here; SyscallError
   */
  static async create(
    name: string,
    limits: Limits = {},
    options: { parent?: NamedGroup | string | undefined; persist?: boolean | undefined } = {},
  ): Promise<Cgroup> {
    const { name: full, persist } = parseCreate(name, options);
    const parsed = findDisks(parseGroupLimits(limits));
    const slots = new Slots();
    const layout = groupLayout();
    const group = planGroup({
      slots,
      layout,
      name: full,
      limits: parsed,
      files: await groupFiles(layout, parsed),
      above: realTimeAbove(layout, full, parsed),
      controllers: parsed.deviceRules ? [...groupControllers, 'devices'] : groupControllers,
      ...(parsed.deviceRules
        ? {
            deviceRules: parsed.deviceRules,
            deviceFilter: await deviceFilter(),
            devicesAbove: devicesAbove(layout, full, parsed.deviceRules),
          }
        : {}),
    });
    if (parsed.deviceRules && !group.confinesDevices) throw new UnsupportedError('limit deviceRules', group.unconfinedReason);
    const there = Object.values(group.paths).find((path) => existsSync(path));
    if (there)
      throw new NacelleError(`make the cgroup ${full}: EEXIST (${there} is there already; Cgroup.open takes it)`, { code: 'EEXIST' });
    const owned = await makeGroup(full, group, slots, persist);
    try {
      // the group gets the same paths that `open` would find
      return new Cgroup(full, findPaths(layout, full, new Set(Object.values(group.paths))), owned);
    } catch (error) {
      throw await withoutGroup({ name: full, paths: group.paths, owned }, error);
    }
  }

  /**
   * Takes a group that is there.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; `ENOENT` when no hierarchy has it
   */
  static async open(name: string): Promise<Cgroup> {
    const checked = parseName(name);
    const paths = findPaths(groupLayout(), checked);
    if (Object.keys(paths).length === 0) throw new NacelleError(`open the cgroup ${checked}: ENOENT (there is none)`, { code: 'ENOENT' });
    return new Cgroup(checked, paths, null);
  }

  /**
   * Sets limits; those not named stay as they are. `memory` without `memorySwap` means no swap; `deviceRules` replace those given before.
   * Where the group is not yet in the hierarchy of a controller, it is made there, with its processes. When the kernel refuses a limit,
   * those set before it are put back.
   *
   * @throws UnsupportedError for a limit that can't be kept here; SyscallError, EBUSY when more memory is in use than can be freed
   */
  async set(limits: Limits): Promise<void> {
    const parsed = parseGroupLimits(limits);
    const { name, paths } = this;
    const owned = this.#owned;
    const grown = await updateGroup({
      layout: groupLayout(),
      name,
      paths,
      limits: parsed,
      deviceRules: parsed.deviceRules,
      ...(owned ? { make: (steps) => owned.task.call(steps) } : {}),
    });
    // folders that were made with a group of ours were made for nobody else, and need no hold; v1 takes device rules only while no group is
    // below
    const held = Object.entries(grown).filter(([key]) => key !== 'devices' && !(owned && key in paths));
    Object.assign(this.paths, grown);
    holdGroups(new Set(held.map(([, folder]) => folder)));
    this.controllers.splice(0, Infinity, ...Object.keys(grown).filter((key) => key !== 'unified'));
  }

  /**
   * Moves a process into the group; its children are born there. The memory that it has stays charged where it was. The limits of the
   * groups above bind it too.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; SyscallError
   */
  async add(pid: number): Promise<void> {
    const number = parsePid(pid);
    const what = `move process ${number} into the cgroup ${this.name}`;
    // the first folder is that of all the group's processes: whoever makes the group grow meanwhile finds the process there
    const folders = new Set([homeOf(this.paths) ?? '', ...this.#folders()]);
    for (const folder of folders) moveTo(what, number, folder);
    moveAbove(what, number, basesBeside(groupLayout(), this.name, this.paths), this.name);
  }

  /** Pids of the processes that are in the group itself, in any of its hierarchies; those of {@link run} too. */
  async processes(): Promise<number[]> {
    const unified = this.paths.unified;
    const runs = unified === undefined ? [] : groupsIn(unified).filter(isRunGroup);
    const folders = [...this.#folders(), ...runs.map((name) => join(unified ?? '', name))];
    const pids = folders.flatMap((folder) => (readGroupFile(join(folder, 'cgroup.procs')) ?? '').split('\n').map(Number));
    return [...new Set(pids)].filter((pid) => pid > 0).sort((a, b) => a - b);
  }

  /** A group below this one: both limits bind. On v2 a group with such children may hold no process itself. */
  async child(name: string, limits: Limits = {}): Promise<Cgroup> {
    return Cgroup.create(name, limits, { parent: this });
  }

  /**
   * What the group and all below it use.
   *
   * @throws NacelleError `ENOENT` when it is gone
   */
  async stats(): Promise<CgroupStats> {
    if (!this.#folders().some((folder) => existsSync(folder)))
      throw new NacelleError(`read the statistics of the cgroup ${this.name}: ENOENT (there is none)`, { code: 'ENOENT' });
    return this.#stats();
  }

  /**
   * Stops all processes of the group and below it, and those that come later. Resolves when they stand still. On v2 this needs Linux 5.2;
   * on v1 the freezer does it.
   *
   * @throws UnsupportedError; NacelleError `EBUSY` when one can't be stopped (uninterruptible sleep): all go on then
   */
  async freeze(): Promise<void> {
    await freeze(`the cgroup ${this.name}`, this.paths);
  }

  /**
   * Lets frozen processes go on.
   *
   * @throws NacelleError `EBUSY` when a group above is frozen
   */
  async thaw(): Promise<void> {
    await thaw(`the cgroup ${this.name}`, this.paths);
  }

  /**
   * Sends SIGKILL to all processes of the group and below it, frozen or not; resolves when there is none. A frozen group is thawed.
   *
   * @throws NacelleError `EBUSY` when one has not ended after a minute (uninterruptible sleep); it ends when it can
   */
  async kill(): Promise<void> {
    const what = `the cgroup ${this.name}`;
    await carryOut(planKill(this.paths));
    await untilEmpty(what, this.paths);
    lift(what, this.paths);
  }

  /**
   * What happens in the group from this call on, until it is removed or `signal` is aborted (then the iteration throws the
   * signal's reason). Never keeps the event loop alive. Events that were not taken yet are merged by type; `count` tells how many
   * there were. Which kernel tells what is in docs/cgroups.md.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`
   */
  events(options: { cancelSignal?: AbortSignal | undefined } = {}): AsyncIterableIterator<CgroupEvent> {
    return watchGroup(this.paths, parseEventOptions(options).cancelSignal);
  }

  /**
   * Runs a program of the host in the group, which limits and counts it but confines nothing. The run ends when all processes that the
   * program started have ended.
   */
  run<E extends Encoding = 'utf8'>(command: readonly string[], options: ProgramOptions<E> = {}): Execution<E> {
    try {
      const argv = parseCommand(command);
      const parsed = parseProgramOptions(options);
      return execute<E>(parsed, argv, (program) => this.#start(program, argv, parsed));
    } catch (error) {
      return refuse<E>(error);
    }
  }

  async #start<E extends Encoding>(program: Program<E>, command: readonly string[], options: ParsedProcess): Promise<Program<E>> {
    const { cancelSignal } = options;
    const id = newId();
    const before = this.#counters();
    const { memory, pids } = await unlessAborted(
      cancelSignal,
      () => this.stats(),
      () => undefined,
    );
    const streams = await program.open({ isConfined: false });
    const slots = new Slots();
    const { name, paths } = this;
    const env = hostEnvironment(options);
    const plan = planCgroupRun({ id, slots, layout: groupLayout(), name, paths, command, options, env, streams });
    const facts: ProgramFacts = {
      id,
      command,
      processOne: false,
      limits: { ...noLimits, memory: memory?.limit ?? null, pids: pids?.limit ?? null },
      notEnforced: [],
      readGroup: ({ reports }) => this.#runEvidence(reports, before),
    };
    await program.sent(facts, start(plan, slots.descriptors, cancelSignal));
    program.begin();
    return program;
  }

  /** Kills what is left, then removes the group and those below it. Idempotent. */
  remove(): Promise<void> {
    this.#removed ??= removeGroup(this.name, this.paths, this.#owned);
    return this.#removed;
  }

  /** Removes the group, unless it was made to persist, or was opened. */
  async [asyncDispose](): Promise<void> {
    if (this.#owned) await this.remove();
  }

  /** What the group counted since `before`, and what the program's own folder counted. */
  #runEvidence(reports: TaskEnd['reports'], before: GroupCounters): GroupEvidence {
    const counters = countersSince(before, this.#counters());
    const { memory } = this.#stats();
    const blame = blameOom(counters, { limit: memory?.limit ?? null, peak: memory?.peak ?? null });
    return { usage: { ...runUsage(reports), oomKills: blame.oomKills }, ...blame, forksRefused: counters.forksRefused };
  }

  /** Reads all files in one call of the addon. */
  #stats(): CgroupStats {
    const sizes = hugePageSizes();
    const files = statsFiles(Object.keys(this.paths), sizes);
    const texts = readGroupFiles(files.map(({ controller, file }) => this.#file(controller, file)));
    const found = new Map(files.map(({ controller, file }, i) => [`${controller}/${file}`, texts[i] ?? null]));
    return readStats((controller, file) => found.get(`${controller}/${file}`) ?? null, this.controllers, sizes);
  }

  #counters(): GroupCounters {
    return readCounters(this.#read);
  }

  /** `null` also for a controller whose hierarchy the group is not in. */
  readonly #read: ReadFile = (controller, file) => (controller in this.paths ? readGroupFile(this.#file(controller, file)) : null);

  #file(controller: string, file: string): string {
    return join(this.paths[controller] ?? '', file);
  }

  #folders(): string[] {
    return [...new Set(Object.values(this.paths))];
  }
}

/**
 * The existing folders of a group, by controller; on the unified tree only for controllers that are handed on to the group.
 *
 * @param made folders that are there
 */
function findPaths(layout: GroupLayout, name: string, made: ReadonlySet<string> = new Set()): Record<string, string> {
  const paths: Record<string, string> = {};
  const hierarchies = [...(layout.unified ? [['unified', layout.unified] as const] : []), ...layout.controllers];
  for (const [controller, { mountPoint, version }] of hierarchies) {
    const base = layout.bases.get(mountPoint);
    const path = base?.path == null ? undefined : pathOf(base.path, name);
    if (path === undefined || (!made.has(path) && !existsSync(path))) continue;
    const isHere = version === 1 || controller === 'unified' || controllersAt(path).includes(controller);
    if (isHere) paths[controller] = path;
  }
  return paths;
}

function controllersAt(folder: string): string[] {
  return (readGroupFile(join(folder, 'cgroup.controllers')) ?? '').trim().split(' ');
}
