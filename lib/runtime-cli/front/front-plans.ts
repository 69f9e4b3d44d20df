import type { BundleConfig } from '../../oci-config/config-schema.js';
import { SIGKILL } from '../../plan/constants.js';
import {
  ALREADY_PAUSED,
  CANNOT_START_RUNNING,
  CANNOT_START_STOPPED,
  NOT_PAUSED,
  NOT_RUNNING,
  notStopped,
} from '../config/runtime-error.js';
import { type ContainerRecord, type ContainerStatus, stateOf } from '../state/container-state.js';
import { GO, GOING, LOCK, TOLD } from '../state/state-files.js';
import type { FrontStep } from './front-steps.js';
import type { FrontPlan, FrontPlans } from './plans-text.js';

/** Those that a container has which was made, in the order in which it usually has them. */
const STATUSES = ['created', 'running', 'paused', 'stopped'] as const;

const THAW: FrontStep = { op: 'thaw' };

/** A step that is not needed for a status; `null` for a status whose command is Node's. */
type PlanOf = (status: ContainerStatus) => readonly FrontStep[] | null;

/** The record of a container that has groups: without them Node alone knows how it does. */
export interface GroupedRecord extends ContainerRecord {
  readonly home: string;
  readonly freezer: NonNullable<ContainerRecord['freezer']>;
}

/**
 * What the front does with a container without Node: what the commands of change-container.ts and start-container.ts do. For what has no plan here it starts
 * Node, which is what hooks need, and who waits for a container to be ready. Pure.
 */
export function frontPlans(record: GroupedRecord, config: BundleConfig): Omit<FrontPlans, 'record'> {
  const { pid, startTime, freezer } = record;
  const commands: Readonly<Record<string, PlanOf>> = {
    state: (status) => [{ op: 'print', text: JSON.stringify(stateOf(record, status), null, 2) }],
    ...(hasHooks(config.hooks?.poststart) || record.notifies ? {} : { start: startPlan }),
    ...killPlans(record, config),
    pause: pausePlan,
    resume: (status) => (status === 'paused' ? [THAW] : [refuse(NOT_PAUSED)]),
    ...(hasHooks(config.hooks?.poststop) || hasUnit(record) ? {} : deletePlans(record)),
  };
  const plans = Object.entries(commands).flatMap(([command, planOf]) =>
    STATUSES.flatMap((status): FrontPlan[] => {
      const steps = planOf(status);
      return steps === null ? [] : [{ command, status, steps }];
    }),
  );
  const turns = ['start', 'delete', 'delete --force'].map((command) => ({ command, lock: LOCK }));
  return { pid, startTime, freezer, created: GO, turns, plans };
}

/** A scope that is to be stopped by systemd. */
const hasUnit = ({ groups }: ContainerRecord): boolean => groups.some(({ unit }) => unit !== undefined);

const hasHooks = (hooks: readonly unknown[] | undefined): boolean => hooks !== undefined && hooks.length > 0;

const refuse = (text: string): FrontStep => ({ op: 'refuse', text });

const startPlan: PlanOf = (status) => {
  if (status === 'created') return [{ op: 'send_on', go: GO, going: GOING, told: TOLD, ended: CANNOT_START_STOPPED }];
  return [refuse(status === 'stopped' ? CANNOT_START_STOPPED : CANNOT_START_RUNNING)];
};

const pausePlan: PlanOf = (status) => {
  if (status === 'paused') return [refuse(ALREADY_PAUSED)];
  return status === 'stopped' ? [refuse(NOT_RUNNING)] : [{ op: 'freeze' }];
};

/** Processes of a group that stand still get a signal one by one before they go on, which is Node's. */
function killPlans({ home }: GroupedRecord, config: BundleConfig): Readonly<Record<string, PlanOf>> {
  const all: FrontStep = { op: 'kill_group', path: home };
  const first: FrontStep = { op: 'signal', number: 0 };
  const hasOwnPids = config.linux?.namespaces.some(({ type, path }) => type === 'pid' && !path) ?? false;
  return {
    kill: (status) => [status === 'stopped' ? refuse(NOT_RUNNING) : first],
    'kill KILL': (status) => {
      if (!hasOwnPids) return status === 'created' || status === 'running' ? [all] : null;
      if (status === 'stopped') return [refuse(NOT_RUNNING)];
      return status === 'paused' ? [first, THAW] : [first];
    },
    'kill --all KILL': (status) => (status === 'paused' ? null : [all]),
  };
}

function deletePlans({ id, groups, home }: GroupedRecord): Readonly<Record<string, PlanOf>> {
  const kill: FrontStep = { op: 'signal', number: SIGKILL };
  const empty: FrontStep = { op: 'kill_group', path: home };
  const remove: FrontStep[] = [empty, ...groups.map(({ path }): FrontStep => ({ op: 'remove_group', path })), { op: 'remove_state' }];
  const forced: PlanOf = (status) => [...(status === 'paused' ? [THAW] : []), ...(status === 'stopped' ? [] : [kill]), ...remove];
  return {
    delete: (status) => (status === 'stopped' || status === 'created' ? forced(status) : [refuse(notStopped(id, status))]),
    'delete --force': forced,
  };
}
