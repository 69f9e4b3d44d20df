import { SIGKILL } from '../plan/constants.js';
import { ANYWHERE, type Ground } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import type { ParsedProcess } from './options/process-options.js';
import type { StreamPlan } from './streams/stream-steps.js';

/** How a process becomes a program. */
export interface ProgramTail {
  readonly cwd: { readonly path: string; readonly create: 0 | 1 } & Ground;
  readonly streams: StreamPlan;
  /** Our pipes become the user's, so that it may open /dev/stdout: not for ids of another user namespace. */
  readonly givePipes: boolean;
  readonly umask: number;
  /** Whom to become: 'user' or 'user:group', looked up before; `null` stays as it is. */
  readonly user: string | null;
  /** What needs the rights of who it was, and what takes away those of who it is then. */
  readonly beforeUser?: readonly Step[];
  readonly afterUser?: readonly Step[];
  /** When all is done but execve. */
  readonly beforeExec?: readonly Step[];
  readonly argv: readonly string[];
  /** 'NAME=value' */
  readonly env: readonly string[];
}

export interface TailSteps {
  /** Folder, streams, umask, user: what it may do from then on is what the program may. */
  readonly confine: readonly Step[];
  /** Of the program's own process, execve last. */
  readonly run: readonly Step[];
}

/** The last steps of every program. */
export function tailSteps(tail: ProgramTail): TailSteps {
  const { cwd, streams, givePipes, umask, user, beforeUser = [], afterUser = [], beforeExec = [], argv, env } = tail;
  return {
    confine: [
      { op: 'chdir', ...cwd },
      ...streams.set(givePipes),
      { op: 'umask', mask: umask },
      ...beforeUser,
      ...(user === null ? [] : [{ op: 'user', user, apply: 1, ...ANYWHERE } as const]),
      ...afterUser,
    ],
    run: [
      // after the change of user, which clears it
      { op: 'parent_death_signal', signal: SIGKILL },
      ...beforeExec,
      { op: 'exec', path: argv[0] ?? '', argv, env },
    ],
  };
}

/** A program on the host's own files, with nothing that confines it. */
export interface ProgramRequest extends Pick<ProgramTail, 'env' | 'streams' | 'user' | 'givePipes'> {
  readonly options: ParsedProcess;
  readonly command: readonly string[];
}

/** The last steps of its stage. */
export function programSteps({ options, command, env, streams, user, givePipes }: ProgramRequest): Step[] {
  const { confine, run } = tailSteps({
    cwd: { path: options.cwd ?? '/', create: 0, ...ANYWHERE },
    streams,
    givePipes: givePipes && user !== null,
    umask: options.umask,
    user,
    argv: command,
    env,
  });
  return [{ op: 'setsid' }, ...(user === null ? [] : [{ op: 'user', user, apply: 0, ...ANYWHERE } as const]), ...confine, ...run];
}
