import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { hasCode, NacelleError, toError } from '../errors.js';
import { type Descriptors, NONE, type Plan, planOf } from '../plan/plan.js';
import type { ShimSocket } from './binding.js';
import { checkSize } from './body-size.js';
import type { Carrier } from './carrier.js';
import { clearTimeout, setTimeout } from './clock.js';
import { Deferred } from './deferred.js';
import { Encoder, encodePlan } from './encode.js';
import { closeDescriptor, copyOfShim, loadNative } from './load-addon.js';
import {
  decodeAttached,
  decodeCalled,
  decodeDenied,
  decodeEnded,
  decodeFailed,
  decodeHealth,
  decodeNotice,
  decodeReady,
  decodeRefused,
  decodeRemoved,
  decodeRunning,
  decodeSpent,
  decodeStarted,
  decodeTraced,
  decodeUpgraded,
  decodeWelcome,
  type Notice,
} from './messages.js';
import { ByNumber } from './numbered.js';
import { Event, MAX_DESCRIPTORS, Request } from './protocol.js';
import { RunningTask } from './running-task.js';
import { ShimError } from './shim-error.js';
import { partBody, ShimPool, type ShimPoolOf } from './shim-pool.js';
import { ownTable, type ShimTable, tableOf } from './shim-table.js';
import { nativeError } from './system-errors.js';
import type { Beginning, StartPlan, Task } from './task.js';
import { isCut, output } from './task-output.js';
import { traceOf, withTrace } from './trace.js';

/** Makes the socket of a connection. */
type OpenSocket = (onMessage: (type: number, id: number, body: Buffer, fds: number[]) => void, onClose: () => void) => ShimSocket;

/** What is known of the plan of a task that another process has started. */
const KEPT: Plan = planOf({ keep: { evidence: { at: NONE, path: '' }, removal: [], auto: false } });

const { EALREADY } = constants.errno;

/** What an executable of the shim tells of itself (addon/shim/supervisor/upgrade.h); '' where it is none. */
function describedBy(fd: number): string {
  return spawnSync(`/proc/self/fd/${fd}`, [], { argv0: 'nacelle-describe', encoding: 'utf8', env: {}, timeout: PATIENCE }).stdout ?? '';
}

/** How long a shim may take to answer, in ms. */
const PATIENCE = 5000;

/** A connection of this environment to a shim, and the tasks that live with it. */
export class Connection implements Carrier {
  readonly #socket: ShimSocket;
  readonly #tasks = new ByNumber<RunningTask>();
  readonly #pools = new Map<number, ShimPool>();
  readonly #questions = new Map<number, Deferred<Buffer>>();
  #onNotice: ((notice: Notice) => void) | null = null;
  #nextId = 1;
  #references = 0;
  /** What the shim at the other end knows. */
  table: ShimTable = ownTable;
  closed = false;
  /** By task: descriptors whose message is still to come. */
  readonly #ahead = new Map<number, readonly number[]>();
  readonly #over = new Deferred<void>();
  readonly #detached: string | null;

  /** @param detached the id of the container that the shim is for; `null` for a shim that ends with this process */
  constructor(open: OpenSocket, detached: string | null = null) {
    this.#detached = detached;
    this.#socket = open(
      (type, id, body, fds) => this.#heard(type, id, body, fds),
      () => this.#lost(),
    );
  }

  get owner(): string {
    return this.#socket.owner;
  }

  /** Of the shim. */
  get pid(): number {
    return this.#socket.pid;
  }

  /** Lets a shim go on that waits for the maps of its ids. @throws an error with `errno` */
  goOn(): void {
    this.#socket.goOn();
  }

  start(plan: Plan, descriptors: Descriptors): RunningTask {
    // another version's shim may know of no trace
    const wanted = this.table === ownTable ? withTrace(plan) : plan;
    const trace = traceOf(wanted);
    trace?.did('prepare and plan');
    const body = encodePlan(wanted, descriptors, this.table);
    trace?.did('encode the plan');
    const task = this.#start(Request.start, wanted, descriptors, body);
    trace?.did('send the plan');
    task.traceTo(trace);
    return task;
  }

  /**
   * Sends the first part of a plan, which is `body` as it travels: the shim does what comes before its process, and waits. Keeps no event loop alive.
   */
  startLater(first: Plan, body: Uint8Array): Beginning {
    const task = this.#start(Request.startLater, first, new Map(), body);
    task.unref();
    return task;
  }

  /** Has the shim keep so many first parts waiting. @param descriptors of the one that is for all */
  startPool(of: ShimPoolOf, descriptors: Descriptors): ShimPool {
    if (this.closed) throw new ShimError(this.#detached);
    const all = of.all === null ? null : { ...of.all, first: withTrace(of.all.first) };
    const body = Buffer.concat([new Encoder().u32(of.count).finish(), partBody(all, descriptors, this.table)]);
    checkSize(body);
    const pool = new ShimPool(this, this.#nextId++, { ...of, all });
    this.send(Request.pool, pool.id, body, [...descriptors.values()]);
    this.#pools.set(pool.id, pool);
    return pool;
  }

  readonly startPlan: StartPlan = async (plan, descriptors, cancelSignal = null) => this.start(plan, descriptors).hear(cancelSignal);

  /**
   * Sends a message that is answered with one, and gives the answer's body.
   *
   * @throws NacelleError `ERR_SHIM_SILENT` when the shim doesn't answer within 5 s; ShimError when it has gone
   */
  async ask(type: number, body: Uint8Array = new Uint8Array(), fds: readonly number[] = []): Promise<Buffer> {
    return this.#askAs(this.#nextId++, type, body, fds);
  }

  async #askAs(id: number, type: number, body: Uint8Array, fds: readonly number[] = []): Promise<Buffer> {
    // nobody would answer
    if (this.closed) throw new ShimError(this.#detached);
    const answer = new Deferred<Buffer>();
    this.#questions.set(id, answer);
    this.ref();
    const timer = setTimeout(() => answer.reject(new NacelleError('the shim does not answer', { code: 'ERR_SHIM_SILENT' })), PATIENCE);
    try {
      this.send(type, id, body, fds);
      return await answer.promise;
    } finally {
      clearTimeout(timer);
      this.#questions.delete(id);
      this.unref();
    }
  }

  /**
   * Learns what the shim knows, which may be of another version. To be called before the first plan.
   *
   * @throws NacelleError `ERR_SHIM_VERSION`; as {@link ask}
   */
  async introduce(): Promise<void> {
    const { lowest, highest, owner, shim } = decodeWelcome(await this.ask(Request.hello));
    if (shim === null) {
      const message = `speak with the shim of ${owner}: it speaks versions ${lowest} to ${highest} of plans, which this library doesn't`;
      throw new NacelleError(message, { code: 'ERR_SHIM_VERSION' });
    }
    this.table = tableOf(shim.table, shim.version);
    this.send(Request.speak, this.#nextId++, new Encoder().u32(shim.generation).finish());
  }

  /**
   * Has this library's shim take over, in the process of the one at the other end. All tasks go on. `false`: that one is not older.
   *
   * @throws SyscallError: the shim before goes on; as {@link ask}
   */
  async upgrade(): Promise<boolean> {
    const copy = copyOfShim();
    try {
      const { version: own } = loadNative().addon;
      // the file may be half written, as while the package is installed: no shim that dies of it comes back
      if (describedBy(copy) !== `${own}\n${ownTable.text}`) {
        throw new NacelleError('upgrade the shim: the executable is not the one of this library', { code: 'ERR_SHIM_VERSION' });
      }
      const version = new Encoder().str(own).finish();
      const { errno, why } = decodeUpgraded(await this.ask(Request.upgrade, version, [copy]));
      if (errno === EALREADY) return false;
      if (errno !== 0) throw nativeError(`upgrade the shim: ${why}`, 'execveat', errno);
    } finally {
      closeDescriptor(copy);
    }
    await this.introduce();
    return true;
  }

  /** A task that another process has started. `null`: there is no such task any more. */
  async attach(key: number): Promise<{ readonly task: Task; readonly state: number } | null> {
    const id = this.#nextId++;
    const task = new RunningTask(this, id, KEPT, new Map());
    this.#tasks.set(id, task);
    try {
      const attached = decodeAttached(await this.#askAs(id, Request.attach, new Encoder().u32(key).finish()));
      if (attached !== null) return { task, state: attached.state };
    } catch (error) {
      task.onUnsent(error);
      throw error;
    }
    task.onUnsent(null);
    return null;
  }

  /** Whether the shim takes messages: it may have died a moment ago, of which the event loop has yet to tell. */
  get reaches(): boolean {
    return !this.closed && this.#socket.send(Request.hello, this.#nextId++, new Uint8Array(), []) >= 0;
  }

  /**
   * Tells what happens to the tasks that are kept in this shim, from a time on, in order. It keeps no event loop alive, and the shim never
   * waits for it: what is read too slowly is counted in the next notice.
   *
   * @param since ns of the monotonic clock
   */
  watch(since: bigint, onNotice: (notice: Notice) => void): void {
    this.#onNotice = onNotice;
    this.send(Request.watch, this.#nextId++, new Encoder().num(since).finish());
  }

  /** Resolves when the shim has gone, or the connection was closed. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** Ends the connection. Tasks that are not kept end with it. */
  close(): void {
    this.#socket.close();
    this.#lost();
  }

  #start(request: number, plan: Plan, descriptors: Descriptors, body: Uint8Array): RunningTask {
    // nobody would tell of its end
    if (this.closed) throw new ShimError(this.#detached);
    checkSize(body);
    const task = new RunningTask(this, this.#nextId++, plan, descriptors);
    this.#tasks.set(task.id, task);
    try {
      this.send(request, task.id, body, [...descriptors.values()]);
    } catch (error) {
      task.onUnsent(error);
      // the shim then drops the descriptors that went ahead of the message; a broken connection has nothing to drop
      this.#socket.send(Request.close, task.id, new Uint8Array(), []);
      throw error;
    }
    return task;
  }

  /** Descriptors past what one message carries go ahead of it. */
  send(type: number, id: number, body: Uint8Array, fds: readonly number[] = []): void {
    let at = 0;
    // one place in each message is kept for the memfd of a long body
    for (; fds.length - at > MAX_DESCRIPTORS - 1; at += MAX_DESCRIPTORS - 1) {
      this.#post(Request.descriptors, id, new Uint8Array(), fds.slice(at, at + MAX_DESCRIPTORS - 1));
    }
    this.#post(type, id, body, fds.slice(at));
  }

  #post(type: number, id: number, body: Uint8Array, fds: readonly number[]): void {
    const result = this.#socket.send(type, id, body, fds);
    // onClose tells every task of a broken connection
    if (result < 0 && result !== -32 && result !== -104) throw nativeError('send to the shim', 'sendmsg', -result);
  }

  ref(): void {
    if (this.#references++ === 0) this.#socket.ref();
  }

  unref(): void {
    if (--this.#references === 0) this.#socket.unref();
  }

  forget(task: { readonly id: number }): void {
    this.#tasks.delete(task.id);
    for (const fd of this.#takeAhead(task.id)) closeDescriptor(fd);
  }

  /** What can't be understood ends the connection: nothing that comes later could be believed. */
  #heard(type: number, id: number, body: Buffer, fds: number[]): void {
    const all = [...this.#takeAhead(id), ...fds];
    try {
      this.#received(type, id, body, all);
    } catch (error) {
      if (!hasCode(error, 'ERR_SHIM_MESSAGE')) throw error;
      for (const fd of all) closeDescriptor(fd);
      this.#socket.close();
      this.#lost(toError(error));
    }
  }

  #received(type: number, id: number, body: Buffer, fds: number[]): void {
    if (type === Event.notice) {
      this.#onNotice?.(decodeNotice(body));
      return;
    }
    if (type === Event.attached) {
      const message = decodeAttached(body);
      if (message !== null) this.#tasks.get(id)?.onAttached(message);
    }
    if (type === Event.attached || type === Event.welcome || type === Event.listed || type === Event.upgraded) {
      this.#questions.get(id)?.resolve(body);
      return;
    }
    const pool = this.#pools.get(id);
    if (pool) {
      this.#heardOfPool(pool, type, body);
      return;
    }
    const task = this.#tasks.get(id);
    if (!task) {
      for (const fd of fds) closeDescriptor(fd);
      return;
    }
    if (type === Event.ahead) this.#ahead.set(id, fds);
    else if (type === Event.started) {
      const started = decodeStarted(body);
      if (isCut(started, fds)) task.onCut();
      else task.onStarted(started, output(started, fds));
    } else if (type === Event.running) task.onRunning(decodeRunning(body));
    else if (type === Event.called) task.onCalled(decodeCalled(body), fds);
    else if (type === Event.over) task.onOver(decodeEnded(body));
    else if (type === Event.undone) task.onUndone(decodeRemoved(body));
    else if (type === Event.ended) task.onEnded(decodeEnded(body));
    else if (type === Event.failed) task.onFailed(decodeFailed(body));
    else if (type === Event.removed) task.onRemoved(decodeRemoved(body));
    else if (type === Event.died) task.onDied(decodeEnded(body));
    else if (type === Event.health) task.onHealth(decodeHealth(body));
    else if (type === Event.denied) task.onDenied(decodeDenied(body));
    else if (type === Event.refused) task.onRefused(decodeRefused(body));
    else if (type === Event.traced) task.onTraced(decodeTraced(body));
  }

  #heardOfPool(pool: ShimPool, type: number, body: Buffer): void {
    if (type === Event.ready) {
      const { number, name } = decodeReady(body);
      this.#tasks.set(number, pool.onReady(name, number));
    } else if (type === Event.spent) {
      pool.onSpent(decodeSpent(body));
    } else if (type === Event.failed) {
      pool.onFailed(decodeFailed(body));
    } else if (type === Event.removed) {
      this.#pools.delete(pool.id);
      pool.onRemoved();
    }
  }

  /** The descriptors that have come ahead of a message. */
  #takeAhead(id: number): readonly number[] {
    const fds = this.#ahead.get(id) ?? [];
    this.#ahead.delete(id);
    return fds;
  }

  #lost(why: Error = new ShimError(this.#detached)): void {
    this.closed = true;
    this.#over.resolve();
    for (const id of [...this.#ahead.keys()]) for (const fd of this.#takeAhead(id)) closeDescriptor(fd);
    for (const answer of this.#questions.values()) answer.reject(why);
    for (const pool of this.#pools.values()) pool.onLost(why);
    this.#pools.clear();
    for (const task of this.#tasks.values()) task.onLost(why);
  }
}
