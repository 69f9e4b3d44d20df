import { performance } from 'node:perf_hooks';
import { Bus } from '../dbus/bus.js';
import { DBusError } from '../dbus/dbus-error.js';
import type { Message } from '../dbus/message.js';
import type { Value } from '../dbus/value.js';
import { hasCode, toError } from '../errors.js';
import { Deferred } from '../native/deferred.js';

const SYSTEMD = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
} as const;

const JOB_REMOVED_RULE = `type='signal',sender='${SYSTEMD.destination}',path='${SYSTEMD.path}',interface='${SYSTEMD.interface}',member='JobRemoved'`;

/** Where a systemd may be reached: at its own socket, or at a bus. */
export interface ManagerSocket {
  readonly socket: string;
  readonly isBus: boolean;
}

/** A connection to a systemd, that of the machine or of a user (org.freedesktop.systemd1(5)). */
export class SystemdManager {
  readonly #bus: Bus;
  readonly #jobs: Map<string, Deferred<string>>;

  private constructor(bus: Bus, jobs: Map<string, Deferred<string>>) {
    this.#bus = bus;
    this.#jobs = jobs;
  }

  /**
   * Tries one socket after the other.
   *
   * @param until by the clock of `performance`: the whole conversation ends then
   * @returns the manager; `null` where none answers, with what each socket said that is there
   */
  static async connect(
    sockets: readonly ManagerSocket[],
    until: number,
  ): Promise<{ readonly manager: SystemdManager | null; readonly failures: readonly Error[] }> {
    const failures: Error[] = [];
    for (const { socket, isBus } of sockets) {
      const timeout = until - performance.now();
      if (timeout <= 0) break;
      const jobs = new Map<string, Deferred<string>>();
      try {
        const bus = await Bus.connect(socket, { timeout, isBus, onSignal: (signal) => noteJob(signal, jobs) });
        return { manager: await new SystemdManager(bus, jobs).#heard(isBus), failures };
      } catch (error) {
        if (!hasCode(error, 'ENOENT', 'ENOTDIR')) failures.push(toError(error));
      }
    }
    return { manager: null, failures };
  }

  /** Calls a method of the manager. @throws DBusError */
  call(member: string, signature: string, body: readonly Value[]): Promise<readonly Value[]> {
    return this.#bus.call({ ...SYSTEMD, member, signature, body });
  }

  /** Calls a method that queues a job, and waits for the job's end. @throws DBusError: systemd refuses, or the job does not end as 'done' */
  async job(member: string, signature: string, body: readonly Value[]): Promise<void> {
    const [job] = await this.call(member, signature, body);
    if (typeof job !== 'string') throw new DBusError('D-Bus: systemd gave no job');
    const result = await Promise.race([jobOf(job, this.#jobs).promise, this.#bus.lost]);
    if (result !== 'done') throw new DBusError(`systemd: ${member} of ${String(body[0])} ended as '${result}'`);
  }

  /** Idempotent. */
  close(): void {
    this.#bus.close();
  }

  /** Has systemd tell of jobs. On its own socket it tells everybody of everything. */
  async #heard(isBus: boolean): Promise<this> {
    if (!isBus) return this;
    try {
      await this.#bus.addMatch(JOB_REMOVED_RULE);
      await this.call('Subscribe', '', []);
      return this;
    } catch (error) {
      this.close();
      throw error;
    }
  }
}

function noteJob({ path, interface: name, member, body }: Message, jobs: Map<string, Deferred<string>>): void {
  if (path !== SYSTEMD.path || name !== SYSTEMD.interface || member !== 'JobRemoved') return;
  const [, job, , result] = body;
  if (typeof job === 'string' && typeof result === 'string') jobOf(job, jobs).resolve(result);
}

/** The end of a job, which may be told before the answer that names the job. */
function jobOf(job: string, jobs: Map<string, Deferred<string>>): Deferred<string> {
  const known = jobs.get(job) ?? new Deferred<string>();
  jobs.set(job, known);
  return known;
}
