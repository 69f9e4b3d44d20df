import { closeSync, mkdirSync, openSync, realpathSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { invalidOption, NacelleError, withCleanupError } from '../errors.js';
import { hostEnvironment } from '../host/environment.js';
import { treeGroup } from '../host/tree-group.js';
import { asyncDispose } from '../native/async-dispose.js';
import { during, endOf } from '../native/host-work.js';
import { closeDescriptor } from '../native/load-addon.js';
import { start } from '../native/shim.js';
import { attempt } from '../native/system-errors.js';
import type { Task } from '../native/task.js';
import type { NamespaceType } from '../plan/namespace-types.js';
import { planOf, Slots } from '../plan/plan.js';
import type { Slot, Step } from '../plan/steps.js';
import { unlessAborted } from '../process/abort.js';
import { execute, refuse } from '../process/execute.js';
import { type ParsedProcess, parseCommand, parseProgramOptions } from '../process/options/process-options.js';
import type { Encoding, Execution, ProgramOptions } from '../process/options/process-types.js';
import { noGroup, type Program } from '../process/program.js';
import { noLimits } from '../process/result.js';
import { inodeOf, isNamespaceFile, openNamespaceFile, ownerOf, parentOf, typeOf } from './namespace-files.js';
import { listNamespaces, type NamespaceInfo } from './namespace-list.js';
import { type NamespaceOptions, parseCompanions, parseCreate, parseFilter, parsePath, parsePid, parseType } from './namespace-options.js';
import { pinSteps, planNamespaceRun, planNamespaces, unpinSteps } from './namespace-plan.js';
import { makerOf, requirePinning, withOwner } from './namespace-rights.js';

/**
 * A namespace of the kernel, held open by a descriptor: it lives at least until {@link Namespace.close},
 * with or without processes (namespaces(7)).
 */
export class Namespace implements AsyncDisposable {
  readonly type: NamespaceType;
  /** The inode number, which together with the type tells the namespace from all others. */
  readonly inode: bigint;
  readonly #fd: number;
  /** The task that keeps process 1 of a new pid namespace; `null` for any other namespace. */
  readonly #keeper: Task | null;
  #closed = false;

  private constructor(fd: number, type: NamespaceType, keeper: Task | null = null) {
    this.#fd = fd;
    this.type = type;
    this.inode = inodeOf(fd);
    this.#keeper = keeper;
  }

  /** Whether it goes with this process. @internal */
  get isOwned(): boolean {
    return this.#keeper !== null;
  }

  /** The descriptor, which stays the namespace's own: closed by {@link close}. */
  get fd(): number {
    if (this.#closed) throw new NacelleError(`the ${this.type} namespace ${this.inode} was closed`, { code: 'ERR_CLOSED' });
    return this.#fd;
  }

  /** All namespaces that have a process which this user may look at, as lsns(8). */
  static async list(filter: { type?: NamespaceType | undefined } = {}): Promise<NamespaceInfo[]> {
    return listNamespaces(parseFilter(filter).type);
  }

  /**
   * Opens a process's namespace, from /proc/PID/ns. It is the namespace of whichever process has that number now, so the caller must know
   * that the process is alive. For a container, use its own `namespace()`.
   *
   * @throws SyscallError when there is no such process, or it may not be looked at (EACCES)
   */
  static async of(pid: number | 'self', type: NamespaceType): Promise<Namespace> {
    const name = parseType(type);
    return opened(openNamespaceFile(`/proc/${parsePid(pid)}/ns/${name}`), (fd) => new Namespace(fd, name));
  }

  /**
   * Opens a namespace of a task's process. The shim opens it, for it knows whether the process lives; its number may be another's.
   *
   * @param slot a slot of the task's, filled for a moment
   * @internal
   */
  static async ofTask(task: Task, type: NamespaceType, slot: Slot): Promise<Namespace> {
    const name = parseType(type);
    const { descriptors } = await task.call([{ op: 'open_namespace', host: true, out: slot, type: name }], { returns: [slot] });
    const fd = descriptors.get(slot);
    if (fd === undefined) throw new NacelleError(`the shim gave no ${name} namespace back`, { code: 'ERR_INTERNAL' });
    return opened(fd, () => new Namespace(fd, name));
  }

  /** Opens a pinned namespace: /run/netns/NAME, or any file that {@link pin} or `ip netns add` made. */
  static async open(path: string): Promise<Namespace> {
    return opened(openNamespaceFile(parsePath(path)), (fd) => new Namespace(fd, typeOf(fd)));
  }

  /**
   * Makes new namespaces, all owned by the new user namespace where one is among them. A pid namespace
   * keeps a process 1 of ours until `close()`, as it would die with its first program; the others hold no process.
   *
   * Where an ordinary user makes them without a user namespace, one that all of these share owns them, in which the ids are those of the user's
   * containers. So one container can join namespaces of several calls.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; SyscallError when the kernel refuses; UnsupportedError where an ordinary user can have no user
   * namespace, or for ids in the maps that the user doesn't have
   */
  static async create<T extends NamespaceType>(types: readonly T[], options: NamespaceOptions = {}): Promise<Record<T, Namespace>> {
    const parsed = parseCreate(types, options);
    const { shim, options: seen, owner } = await makerOf(parsed);
    const slots = new Slots();
    const { plan, slots: bySlot } = planNamespaces(seen, owner, slots);
    const task = await shim.startPlan(plan, slots.descriptors);
    const { descriptors } = task.started;
    try {
      const made = [...bySlot].map(([type, slot]) => {
        const fd = descriptors.get(slot);
        if (fd === undefined) throw new NacelleError(`the shim gave no ${type} namespace back`, { code: 'ERR_INTERNAL' });
        return [type, new Namespace(fd, type, type === 'pid' ? task : null)] as const;
      });
      if (parsed.types.includes('pid')) task.unref();
      else await task.close();
      return Object.fromEntries(made) as Record<T, Namespace>;
    } catch (error) {
      for (const fd of descriptors.values()) closeDescriptor(fd);
      throw withCleanupError(error, await endOf(task));
    }
  }

  /**
   * Runs a program of the host in the namespace, as nsenter(1); with `with` in others too, of other types. It confines nothing. In a user
   * namespace the program is root; in a pid namespace it is a child inside.
   *
   * An ordinary user has rights over a namespace only in the user namespace that owns it: so the program enters that too, where it is this
   * user's. Without subordinate ids it keeps the groups of this user.
   */
  run<E extends Encoding = 'utf8'>(
    command: readonly string[],
    options: ProgramOptions<E> & { with?: readonly Namespace[] | undefined } = {},
  ): Execution<E> {
    try {
      if (typeof options !== 'object' || options === null) parseProgramOptions(options);
      const { with: others = [], ...rest } = options;
      const argv = parseCommand(command);
      const namespaces = parseCompanions({ type: this.type, fd: this.fd }, others);
      const parsed = parseProgramOptions(rest);
      return execute<E>(parsed, argv, (program) => startIn(namespaces, program, argv, parsed));
    } catch (error) {
      return refuse<E>(error);
    }
  }

  /**
   * Binds the namespace to a file, made with its folders, so that it lives without a process until {@link Namespace.unpin}. `ip netns`
   * works with /run/netns/NAME: as that does, this makes /run/netns a shared mount, so that other mount namespaces see it too. A mount
   * namespace needs a folder on a private mount.
   *
   * @throws UnsupportedError for an ordinary user, who can mount nothing where others see it
   */
  async pin(path: string): Promise<void> {
    const given = resolve(parsePath(path));
    requirePinning();
    const folder = attempt(`pin on ${given}`, () => {
      mkdirSync(dirname(given), { recursive: true });
      return realpathSync(dirname(given));
    });
    const target = join(folder, basename(given));
    attempt(`pin on ${target}`, () => closeSync(openSync(target, 'wx', 0o444)));
    try {
      const slots = new Slots();
      await callHost(pinSteps(this.fd, target, slots), slots);
    } catch (error) {
      rmSync(target, { force: true });
      throw error;
    }
  }

  /** Undoes {@link pin}, or `ip netns add`. What still uses the namespace keeps it. */
  static async unpin(path: string): Promise<void> {
    const target = resolve(parsePath(path));
    if (!isNamespaceFile(target)) throw invalidOption('path', `no namespace is pinned on ${target}`);
    await callHost(unpinSteps(target), new Slots());
  }

  /** The user namespace whose rights count in this one; of a user namespace, its parent. EPERM where that lies outside Node's own. */
  async owner(): Promise<Namespace> {
    return opened(ownerOf(this.fd), (fd) => new Namespace(fd, 'user'));
  }

  /** The parent of a user or pid namespace: the one that it was made in. EPERM where that lies outside Node's own. */
  async parent(): Promise<Namespace> {
    return opened(parentOf(this.fd, this.type), (fd) => new Namespace(fd, this.type));
  }

  /** Closes the descriptor. A pid namespace that `create` made ends with all its processes. Idempotent. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      closeDescriptor(this.#fd);
    }
    await this.#keeper?.close();
  }

  async [asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function startIn<E extends Encoding>(
  namespaces: ReturnType<typeof parseCompanions>,
  program: Program<E>,
  command: readonly string[],
  options: ParsedProcess,
): Promise<Program<E>> {
  const { cancelSignal } = options;
  const slots = new Slots();
  const group = await unlessAborted(
    cancelSignal,
    () => treeGroup(slots),
    () => undefined,
  );
  const streams = await program.open({ isConfined: false });
  const env = hostEnvironment(options);
  const facts = { id: group?.id ?? '', command, processOne: false, limits: noLimits, notEnforced: [], readGroup: noGroup };
  await withOwner(namespaces, async (all, rights) => {
    const plan = planNamespaceRun({ slots, namespaces: all, ...rights, command, options, env, group, streams });
    await program.sent(facts, start(plan, slots.descriptors, cancelSignal));
  });
  program.begin();
  return program;
}

/** Makes a handle of a descriptor, which is closed when that fails. */
function opened(fd: number, make: (fd: number) => Namespace): Namespace {
  try {
    return make(fd);
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

async function callHost(steps: readonly Step[], { descriptors }: Slots): Promise<void> {
  await during(planOf({}), new Map(), (task) => task.call(steps, { descriptors }));
}
