import { SIGKILL } from '../plan/constants.js';
import { ANYWHERE } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import type { ParsedProcess } from './options/process-options.js';
import type { StreamPlan } from './streams/stream-steps.js';

/** A program on the host's own files, with nothing that confines it. */
export interface ProgramRequest {
  readonly options: ParsedProcess;
  readonly command: readonly string[];
  /** 'NAME=value' */
  readonly env: readonly string[];
  readonly streams: StreamPlan;
  /** Whom to become: 'user' or 'user:group'; `null` stays as it is. */
  readonly user: string | null;
  /** Our pipes become the user's, so that it may open /dev/stdout: not for ids of another user namespace. */
  readonly givePipes: boolean;
}

/** The last steps of a stage: streams, umask, folder, user, execve. */
export function programSteps({ options, command, env, streams, user, givePipes }: ProgramRequest): Step[] {
  const become = (apply: 0 | 1): Step[] => (user === null ? [] : [{ op: 'user', user, apply, ...ANYWHERE }]);
  return [
    { op: 'setsid' },
    ...become(0),
    ...streams.set(givePipes && user !== null),
    { op: 'umask', mask: options.umask },
    { op: 'chdir', path: options.cwd ?? '/', create: 0, ...ANYWHERE },
    ...become(1),
    // after the change of user, which clears it
    { op: 'parent_death_signal', signal: SIGKILL },
    { op: 'exec', path: command[0] ?? '', argv: command, env },
  ];
}
