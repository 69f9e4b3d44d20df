import { performance } from 'node:perf_hooks';
import { Bus } from '../dbus/bus.js';
import { DBusError } from '../dbus/dbus-error.js';
import type { Message } from '../dbus/message.js';
import { isVariant, type Value, type Variant } from '../dbus/value.js';
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

/** A property of a unit, by its name on the bus (org.freedesktop.systemd1(5)). */
export type UnitProperty = readonly [name: string, value: Variant];

/** A connection to a systemd, that of the machine or of a user (org.freedesktop.systemd1(5)). */
export class SystemdManager {
  readonly #bus: Bus;
  readonly #jobs: Jobs;

  private constructor(bus: Bus, jobs: Jobs) {
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
      const jobs = new Jobs();
      try {
        const bus = await Bus.connect(socket, { timeout, isBus, onSignal: (signal) => jobs.note(signal) });
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

  /** The group below which its units have theirs, from the top of the hierarchy: '/user.slice/…' of a user's systemd, '' of the machine's. @throws DBusError */
  async controlGroup(): Promise<string> {
    const get = { interface: 'org.freedesktop.DBus.Properties', member: 'Get', signature: 'ss', body: [SYSTEMD.interface, 'ControlGroup'] };
    const [property] = await this.#bus.call({ ...SYSTEMD, ...get });
    const group = property !== undefined && isVariant(property) ? property.value : undefined;
    if (typeof group !== 'string') throw new DBusError('D-Bus: systemd gave no ControlGroup');
    return group;
  }

  /** Calls a method that queues a job, and waits for the job's end. @throws DBusError: systemd refuses, or the job does not end as 'done' */
  async job(member: string, signature: string, body: readonly Value[]): Promise<void> {
    const [job] = await this.call(member, signature, body);
    if (typeof job !== 'string') throw new DBusError('D-Bus: systemd gave no job');
    const result = await Promise.race([this.#jobs.endOf(job).promise, this.#bus.lost]);
    if (result !== 'done') throw new DBusError(`systemd: ${member} of ${String(body[0])} ended as '${result}'`);
  }

  /** Makes a unit that goes with the machine's next boot, and starts it; there must be none of that name. @throws as {@link job} */
  startUnit(unit: string, properties: readonly UnitProperty[]): Promise<void> {
    return this.job('StartTransientUnit', 'ssa(sv)a(sa(sv))', [unit, 'fail', properties, []]);
  }

  /** Idempotent. */
  close(): void {
    this.#bus.close();
  }

  /** Has systemd tell of jobs. On its own socket it tells everybody of everything. */
  async #heard(isBus: boolean): Promise<this> {
    if (!isBus) return this;
    try {
      this.#jobs.owner = await this.#bus.ownerOf(SYSTEMD.destination);
      await this.#bus.addMatch(JOB_REMOVED_RULE);
      await this.call('Subscribe', '', []);
      return this;
    } catch (error) {
      this.close();
      throw error;
    }
  }
}

/** The ends of jobs, which may be told before the answer that names the job. */
class Jobs {
  readonly #ends = new Map<string, Deferred<string>>();
  /** Whose signals count: on a bus anybody can send some. `null`: at systemd's own socket, where nobody else is. */
  owner: string | null = null;

  note({ path, interface: name, member, sender, body }: Message): void {
    if ((this.owner !== null && sender !== this.owner) || path !== SYSTEMD.path || name !== SYSTEMD.interface || member !== 'JobRemoved')
      return;
    const [, job, , result] = body;
    if (typeof job === 'string' && typeof result === 'string') this.endOf(job).resolve(result);
  }

  endOf(job: string): Deferred<string> {
    const known = this.#ends.get(job) ?? new Deferred<string>();
    this.#ends.set(job, known);
    return known;
  }
}
