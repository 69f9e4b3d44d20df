import type { ContainerStatus } from '../state/container-state.js';
import { type FrontStep, frontFields } from './front-steps.js';

/** What a command does with a container of one status. */
export interface FrontPlan {
  /** As addon/shim/front/front_call.h names it: `kill --all KILL`. */
  readonly command: string;
  readonly status: ContainerStatus;
  readonly steps: readonly FrontStep[];
}

/** All that the front knows of a container. */
export interface FrontPlans {
  /** The file with the record that these plans are about: when there is another one they are not played. */
  readonly record: { readonly inode: bigint; readonly size: bigint; readonly changedNs: bigint };
  readonly pid: number;
  readonly startTime: string;
  readonly freezer: { readonly path: string; readonly version: 1 | 2 };
  /** The file in the state's folder that is there until somebody starts the container. */
  readonly created: string;
  /** Commands that wait for others, and the file that they lock. */
  readonly turns: readonly { readonly command: string; readonly lock: string }[];
  readonly plans: readonly FrontPlan[];
}

/**
 * The text that addon/shim/front/front_plans.cc reads. Steps and fields go by their names: whoever does not know one plays none of them, so the number in the
 * first line rises only when a name gets another meaning. Pure.
 */
export function plansText({ record, pid, startTime, freezer, created, turns, plans }: FrontPlans): string {
  const lines = [
    'nacelle-oci plans 1',
    `record ${record.inode} ${record.size} ${record.changedNs}`,
    `process ${pid} ${startTime}`,
    `freezer ${freezer.version} ${written(freezer.path)}`,
    `created ${written(created)}`,
    ...turns.map(({ command, lock }) => `turn ${written(lock)} ${command}`),
    ...plans.flatMap(({ command, status, steps }) => [`on ${status} ${command}`, ...steps.flatMap(stepLines)]),
    'end',
  ];
  return `${lines.join('\n')}\n`;
}

function stepLines(step: FrontStep): string[] {
  const values = new Map<string, string | number>(Object.entries(step));
  return [`do ${step.op}`, ...frontFields[step.op].map((field) => `  ${field} ${written(String(values.get(field)))}`)];
}

/** A value as one line has it: '%' and two digits for what would end it. Pure. */
export function written(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what can't be in a line
  return value.replace(/[%\u0000-\u001f\u007f]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
