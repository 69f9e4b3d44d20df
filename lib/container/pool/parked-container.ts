import { renamedGroup, renamedPlaces } from '../../cgroup/renamed-group.js';
import type { Parked } from '../../native/shim-pool.js';
import type { JoinedNetworks } from '../../network/bridge/join-networks.js';
import type { ParsedOptions } from '../options/container-options.js';
import { type PooledPlan, slotsAfter } from '../plan/pool-plan.js';
import { cpuClockOf } from '../start/container-group.js';
import type { Recorded } from '../start/container-record.js';
import type { Prepared } from '../start/prepare.js';
import { argvOf, environment } from '../start/program-facts.js';
import { NAMED, type Taken } from './pooled-parts.js';
import type { RestShapes } from './rest-shapes.js';

/** A container that waits. */
export interface ParkedContainer {
  readonly parked: Parked;
  readonly options: ParsedOptions;
  readonly plan: PooledPlan;
  /** The rests of the runs before. */
  readonly shapes: RestShapes;
  /** What is noted of it, under its own name. @throws NacelleError `ERR_INVALID_OPTION`: there is no command */
  recorded(): Recorded;
  /** What it is planned with. @throws as {@link recorded} */
  prepared(): Prepared;
  /** Those that were joined for its run; `null`: it has joined none yet, or was made with all that it has. */
  readonly networks: Pick<JoinedNetworks, 'attachments' | 'ways' | 'hasIpv6' | 'ready' | 'handOver' | 'release'> | null;
  /** As {@link RestFor.values} and {@link RestFor.ground}. */
  readonly values: readonly Uint8Array[];
  readonly ground: readonly unknown[];
  /** The same container for another run. */
  forRun(options: ParsedOptions): ParkedContainer;
  /** To be called when the container is gone. */
  readonly release: () => void;
}

/** `null`: none was taken. */
export function parkedFor(taken: Taken | null, options: ParsedOptions): ParkedContainer | null {
  if (taken === null) return null;
  let isHeld = true;
  const release = (): void => {
    if (isHeld) taken.release();
    isHeld = false;
  };
  return containerOf(taken, options, release);
}

function containerOf(taken: Taken, options: ParsedOptions, release: () => void): ParkedContainer {
  let recorded: Recorded | undefined;
  let prepared: Prepared | undefined;
  const noted = (): Recorded => {
    recorded ??= recordedFor(taken, options);
    return recorded;
  };
  return {
    parked: taken.parked,
    options,
    plan: taken.plan,
    shapes: taken.shapes,
    recorded: noted,
    prepared: () => {
      prepared ??= preparedFor(taken, noted());
      return prepared;
    },
    networks: null,
    values: [Buffer.from(taken.parked.name)],
    ground: [],
    forRun: (other) => containerOf(taken, other, release),
    release,
  };
}

/** What was prepared, under the container's own name and with what the run has of its own. */
function recordedFor({ parked: { name }, of }: Taken, { command, labels, copyIn, copyOut, copyOutMax, process }: ParsedOptions): Recorded {
  const id = name + of.id.slice(NAMED);
  const options: ParsedOptions = { ...of.options, command, labels, copyIn, copyOut, copyOutMax, process };
  const hostname = of.hostname === of.id.slice(0, NAMED) ? name : of.hostname;
  const config = of.image?.config ?? {};
  return {
    ...of,
    id,
    options,
    hostname,
    argv: argvOf(options, config),
    program: { ...of.program, env: environment(options, config, hostname) },
    group: renamedPlaces(of.group, of.id, id),
    release: () => undefined,
  };
}

/** The same with what is planned. */
function preparedFor({ of, plan }: Taken, recorded: Recorded): Prepared {
  const group = renamedGroup(of.group, of.id, recorded.id);
  return { ...recorded, slots: slotsAfter(plan), group, cpuClock: cpuClockOf(recorded.options, group).cpuClock };
}
