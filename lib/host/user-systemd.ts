import { join } from 'node:path';
import { env, geteuid } from 'node:process';
import { Bus } from '../dbus/bus.js';
import { unixSocketsIn } from '../dbus/bus-address.js';
import { DBusError } from '../dbus/dbus-error.js';
import type { Message } from '../dbus/message.js';
import type { Value } from '../dbus/value.js';
import { hasCode, isNacelleError, toError, UnsupportedError } from '../errors.js';
import { Deferred } from '../native/deferred.js';

/** How long systemd may take for a scope, in ms. */
const PATIENCE = 5000;

const SYSTEMD = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
} as const;

const ENDED = `type='signal',sender='${SYSTEMD.destination}',path='${SYSTEMD.path}',interface='${SYSTEMD.interface}',member='JobRemoved'`;

/** A unit that systemd makes of processes that others have started (systemd.scope(5)). It goes with the last of them. */
export interface ScopeRequest {
  /** With '.scope' at its end. */
  readonly unit: string;
  readonly description: string;
  /** In the pid namespace of this process and of systemd. */
  readonly pids: readonly number[];
}

/**
 * Has the systemd of this user put processes into a new scope, with control groups that it hands over to them: below the scope this user makes
 * and limits groups, and a stop of the unit in which the processes were ends them no more. When this resolves they are there.
 *
 * @throws UnsupportedError: there is no such systemd, or it refuses
 */
export async function startScope(request: ScopeRequest): Promise<void> {
  const jobs = new Map<string, Deferred<string>>();
  const bus = await connect((signal) => noteJob(signal, jobs));
  try {
    await bus.subscribe();
    const [job] = await bus.connection.call({
      ...SYSTEMD,
      member: 'StartTransientUnit',
      signature: 'ssa(sv)a(sa(sv))',
      body: [request.unit, 'fail', propertiesOf(request), []],
    });
    if (typeof job !== 'string') throw new DBusError('D-Bus: systemd gave no job');
    const result = await Promise.race([jobOf(job, jobs).promise, bus.connection.lost]);
    if (result !== 'done') throw new DBusError(`systemd: the start of ${request.unit} ended as '${result}'`);
  } catch (error) {
    throw isNacelleError(error) ? noScope(error) : error;
  } finally {
    bus.connection.close();
  }
}

/** org.freedesktop.systemd1(5), "Properties" of a scope, each as (sv). Pure. */
function propertiesOf({ description, pids }: ScopeRequest): Value {
  return [
    ['Description', { signature: 's', value: description }],
    // where systemd-run --user puts what it starts
    ['Slice', { signature: 's', value: 'app.slice' }],
    ['PIDs', { signature: 'au', value: pids }],
    ['Delegate', { signature: 'b', value: true }],
    // one that has failed is forgotten too
    ['CollectMode', { signature: 's', value: 'inactive-or-failed' }],
    // a logout and a shutdown wait so long until they kill, as docker stop does
    ['TimeoutStopUSec', { signature: 't', value: 10_000_000n }],
  ];
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

interface Systemd {
  readonly connection: Bus;
  /** From then on it tells of its jobs. */
  subscribe(): Promise<void>;
}

/** @throws UnsupportedError: none answers */
async function connect(onSignal: (signal: Message) => void): Promise<Systemd> {
  const failures: Error[] = [];
  for (const { socket, isBus } of socketsOf(folder())) {
    try {
      const connection = await Bus.connect(socket, { patience: PATIENCE, isBus, onSignal });
      const subscribe = async (): Promise<void> => {
        // on its own socket it tells everybody of everything
        if (!isBus) return;
        await connection.addMatch(ENDED);
        await connection.call({ ...SYSTEMD, member: 'Subscribe' });
      };
      return { connection, subscribe };
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) failures.push(toError(error));
    }
  }
  throw failures[0] === undefined ? noScope() : noScope(failures[0]);
}

/** systemd's own socket, which serves where no bus is installed, then the buses of the session and of the user. */
function socketsOf(runtime: string): { readonly socket: string; readonly isBus: boolean }[] {
  const buses = [...unixSocketsIn(env.DBUS_SESSION_BUS_ADDRESS ?? '', runtime), join(runtime, 'bus')];
  return [{ socket: join(runtime, 'systemd/private'), isBus: false }, ...[...new Set(buses)].map((socket) => ({ socket, isBus: true }))];
}

/** Where the systemd of this user has its sockets. Services and jobs of CI may lack the variable. */
function folder(): string {
  return env.XDG_RUNTIME_DIR || `/run/user/${geteuid?.()}`;
}

function noScope(cause?: Error): UnsupportedError {
  const feature = "a scope of the user's systemd";
  if (cause === undefined) {
    const user = geteuid?.();
    return new UnsupportedError(
      feature,
      `no systemd of user ${user} runs: it has no socket in ${folder()}`,
      `Run: loginctl enable-linger ${user}`,
    );
  }
  const isAbsent = cause instanceof DBusError && /\.(?:ServiceUnknown|NameHasNoOwner)$/.test(cause.errorName ?? '');
  return new UnsupportedError(feature, isAbsent ? 'there is no systemd on the bus of this user' : cause.message, null, { cause });
}
