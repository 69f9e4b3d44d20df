import type { GroupPlan } from '../../cgroup/group-plan.js';
import type { HealthCheck, Slots } from '../../plan/plan.js';
import type { UserMaps } from '../../plan/userns-maps.js';
import type { ParsedHealth } from '../options/healthcheck.js';
import { planExec } from './exec-plan.js';
import type { ProgramSpec } from './program-spec.js';

/** What the check of a program's health depends on. */
export interface HealthInput {
  readonly health: ParsedHealth;
  /** Of the check's own plan. */
  readonly slots: Slots;
  readonly group: GroupPlan;
  readonly program: ProgramSpec;
  readonly namespaces: { readonly flags: number; readonly entersPid: boolean };
  readonly userns: UserMaps | null;
  readonly nullByShim: boolean;
  /** The file that tells whether the container is paused; '' where there is none. */
  readonly frozen: string;
}

/** The shim fills these slots, so there is no descriptor of Node's for them. */
const BY_SHIM = -1;

/** A check of a program's health: one more program in the container, which the shim starts by itself. Pure. */
export function planHealth({ health, slots, group, program, namespaces, userns, nullByShim, frozen }: HealthInput): HealthCheck {
  const output = { type: 'pipe', fd: BY_SHIM } as const;
  const plan = planExec({
    slots,
    process: BY_SHIM,
    namespaces,
    userns,
    group,
    cpuClock: null,
    // nobody hears of a check's calls
    program: { ...program, denials: null },
    argv: health.argv,
    streams: { ends: [{ type: 'null' }, output, output], copies: [] },
    nullByShim,
    options: { killSignal: 9, forceKillAfterDelay: 0, timeout: health.timeout },
    detach: false,
  });
  return {
    then: health.then,
    retries: health.retries,
    intervalMs: health.interval,
    startPeriodMs: health.startPeriod,
    startIntervalMs: health.startInterval,
    frozen,
    plan,
    given: [...slots.descriptors.keys()],
  };
}
