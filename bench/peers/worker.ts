import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Subject } from '../measure.js';
import type { WorkerReply, WorkerRequest } from '../programs/worker.js';

/** Whose process a worker is, in place of this user. */
export interface WorkerUser {
  readonly id: number;
  /** A folder of this user's. */
  readonly home: string;
}

/** A Node process of its own, with a heap of that size, in which containers or programs are started. */
export class NodeWorker {
  readonly #process: ChildProcess;

  constructor(rootfs: string, heapBytes: number, user?: WorkerUser) {
    const script = fileURLToPath(new URL('../programs/worker.ts', import.meta.url));
    this.#process = fork(script, [String(heapBytes), rootfs], { execArgv: ['--import', 'tsx'], ...(user && asUser(user)) });
  }

  subject(name: string, subject: WorkerRequest['subject']): Subject {
    return { name, run: (count) => this.#ask({ subject, count }) };
  }

  async #ask(request: WorkerRequest): Promise<number[]> {
    const answer = new Promise<WorkerReply>((resolve, reject) => {
      this.#process.once('message', (message: WorkerReply) => resolve(message));
      this.#process.once('exit', (code, signal) => reject(new Error(`the worker ended with ${code ?? signal}`)));
    });
    this.#process.send(request);
    const reply = await answer;
    this.#process.removeAllListeners('exit');
    if ('failed' in reply) throw new Error(reply.failed);
    return reply.times;
  }

  async close(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.disconnect();
    await ended;
  }
}

function asUser({ id, home }: WorkerUser): { uid: number; gid: number; env: NodeJS.ProcessEnv } {
  const { NACELLE_ROOT, NACELLE_RUNROOT, ...env } = process.env;
  return { uid: id, gid: id, env: { ...env, HOME: home, TMPDIR: home, XDG_DATA_HOME: home, XDG_RUNTIME_DIR: home } };
}
