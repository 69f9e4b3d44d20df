import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { syscallTable } from '../../lib/security/syscalls/tables.js';
import { compile } from '../fixtures/compile.js';
import {
  descendants,
  entries,
  mappedShims,
  type ProcessInfo,
  processes,
  processInfo,
  readLink,
  shimOf,
  shimsOf,
} from '../fixtures/host.js';
import { programFile } from '../fixtures/node.js';

/** Whose call: Node's own, of the process with its threads; a shim's; or that of a process that a shim has started. */
export type Who = 'node' | 'shim' | 'child';

/** One call of one kind of process, counted from the beginning of a scenario. */
export interface Place {
  readonly who: Who;
  readonly call: string;
  readonly nth: number;
}

export interface Failure {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly typed: boolean;
  readonly left: boolean;
}

const numbers = syscallTable('x86_64');
const names = new Map([...numbers].flatMap(([name, all]) => all.map((number) => [number, name] as const)));

/** How long a process may take to end, in ms. */
const PATIENCE = 20_000;

/** Asks a process a line, and takes its answer, a line. */
class Talk {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  stderr = '';

  constructor(process: ChildProcess) {
    this.process = process;
    if (!process.stdout || !process.stdin) throw new Error('no pipes');
    this.#lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
    process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    // what has ended is found at the next answer
    process.stdin.on('error', () => undefined);
    onTestFinished(() => void process.kill('SIGKILL'));
  }

  async answer(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`it has ended, with ${this.process.exitCode ?? this.process.signalCode}: ${this.stderr}`);
    return value;
  }

  ask(line: string): Promise<string> {
    this.process.stdin?.write(`${line}\n`);
    return this.answer();
  }

  async end(): Promise<void> {
    const ended = this.process.exitCode === null && this.process.signalCode === null ? once(this.process, 'exit') : null;
    this.process.stdin?.end();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.process.kill('SIGKILL');
    }, PATIENCE);
    await ended;
    clearTimeout(timer);
    if (isLate) throw new Error('it does not end by itself: something is held');
  }
}

/** A process that does what it is told to (test/fixtures/programs/faulty.ts), with a tracer that makes calls fail. */
export class Victim {
  readonly #program: Talk;
  #tracer: Talk | null = null;
  /** Looked for among all processes only when it is no longer there. */
  #shim = 0;
  readonly scenarios: readonly string[];
  /** Of the Node process. */
  readonly pid: number;
  /** The runtime folder of an ordinary user, one of whose shims is no child of Node's; `null` for root. */
  readonly #runtime: string | null;
  /** The shims of the user's other processes, which were there before. */
  readonly #others: ReadonlySet<number>;

  private constructor(program: Talk, scenarios: readonly string[], pid: number, runtime: string | null, others: readonly number[]) {
    this.#program = program;
    this.scenarios = scenarios;
    this.pid = pid;
    this.#runtime = runtime;
    this.#others = new Set(others);
  }

  /**
   * @param through a command that ends with exec of its arguments
   * @param runtime where it becomes an ordinary user: that user's runtime folder
   */
  static async start(through: readonly string[] = [], env: Record<string, string> = {}, runtime: string | null = null): Promise<Victim> {
    const [command = '', ...args] = [...through, process.execPath, programFile('faulty')];
    const others = runtime === null ? [] : mappedShims(runtime);
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    const program = new Talk(child);
    const { ready } = JSON.parse(await program.answer()) as { ready: string[] };
    return new Victim(program, ready, child.pid ?? 0, runtime, others);
  }

  /** The shim that makes the containers of this process, not those of its detached ones. */
  get shim(): number {
    if (this.#runtime !== null) return this.#shims().at(-1) ?? 0;
    const known = processInfo(this.#shim);
    this.#shim = shimOf(this.pid, known ? [known] : [])?.pid ?? shimOf(this.pid)?.pid ?? 0;
    return this.#shim;
  }

  #shims(): number[] {
    return this.#runtime === null ? [this.shim] : shimsOf(this.#runtime, this.pid);
  }

  /** All that it has started. The second shim of an ordinary user, whose parent has ended, counts as a child of Node. */
  below(): ProcessInfo[] {
    const all = processes();
    const mapped = this.#runtime === null ? [] : mappedShims(this.#runtime, all).filter((pid) => !this.#others.has(pid));
    const others = mapped.flatMap((pid) => [...all.filter((info) => info.pid === pid), ...descendants(pid, all)]);
    return [...descendants(this.pid, all), ...others];
  }

  /** What came of a scenario: its failures, those of tidying up too. */
  async do(scenario: string): Promise<Failure[]> {
    return JSON.parse(await this.#program.ask(`do ${scenario}`));
  }

  /** Lets go of what is kept for later. */
  async settle(): Promise<void> {
    const failed: unknown = JSON.parse(await this.#program.ask('settle'));
    if (failed !== null) throw new Error(`what is kept for later does not go: ${JSON.stringify(failed)}`);
  }

  async reap(): Promise<Failure[]> {
    return JSON.parse(await this.#program.ask('reap'));
  }

  /** Removes all containers, images and volumes of its user, and what dead owners left. */
  async tidy(): Promise<Failure[]> {
    return JSON.parse(await this.#program.ask('tidy'));
  }

  /** From now on a tracer follows this process and all that it starts. */
  async trace(folder: string): Promise<void> {
    const traced = [String(this.pid), 'node', ...this.#shims().flatMap((pid) => [String(pid), 'shim'])];
    const tracer = new Talk(spawn(compiled(folder), traced, { stdio: ['pipe', 'pipe', 'pipe'] }));
    if ((await tracer.answer()) !== 'attached') throw new Error('the tracer is not attached');
    this.#tracer = tracer;
  }

  /** How often each call is made from now on, until {@link counted}. */
  async count(): Promise<void> {
    await this.#tracer?.ask('count');
  }

  async fail({ who, call, nth }: Place, error: string): Promise<void> {
    const errno: number | undefined = (constants.errno as Record<string, number>)[error];
    if (errno === undefined) throw new Error(`no error is called ${error}`);
    await this.#tracer?.ask(`fail ${who} ${numbers.get(call)?.[0]} ${nth} ${errno}`);
  }

  /** Ends the counting: whether the call has failed, and how many there were. */
  async counted(): Promise<{ fired: boolean; counts: readonly { who: Who; call: string; count: number }[] }> {
    const [fired, ...words] = (await this.#tracer?.ask('end'))?.split(' ') ?? [];
    const counts = words.map((word) => {
      const [, who, number, count] = /^(\w+):(\d+)=(\d+)$/.exec(word) ?? [];
      return { who: who as Who, call: names.get(Number(number)) ?? '', count: Number(count) };
    });
    return { fired: fired === '1', counts };
  }

  /** Its descriptors and the shim's, by kind. */
  held(): string[] {
    const kinds = new Map<string, number>();
    for (const [who, pid] of [['Node', this.pid] as const, ...this.#shims().map((shim) => ['shim', shim] as const)]) {
      for (const fd of entries(`/proc/${pid}/fd`)) {
        const kind = `${who} ${(readLink(`/proc/${pid}/fd/${fd}`) ?? '').replace(/\[\d+\]$/, '').replace(/[0-9a-f-]{16,}/g, 'ID')}`;
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
    }
    return [...kinds].map(([kind, count]) => `${kind} ×${count}`);
  }

  /** Ends Node at once. */
  kill(): void {
    this.#program.process.kill('SIGKILL');
  }

  /** Ends it in good order, and its shim. */
  async end(): Promise<void> {
    await this.#tracer?.end();
    await this.#program.end();
  }
}

let injector: string | undefined;
function compiled(folder: string): string {
  injector ??= compile('inject', folder);
  return injector;
}
