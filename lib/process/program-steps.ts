import { SIGKILL } from '../plan/constants.js';
import { ANYWHERE, type Ground } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import type { ParsedProcess } from './options/process-options.js';
import type { StreamPlan } from './streams/stream-steps.js';

/** How a process becomes a program. */
export interface ProgramTail {
  readonly cwd: { readonly path: string; readonly create: 0 | 1 } & Ground;
  readonly streams: StreamPlan;
  /** Whether our pipes become the user's, so that the program may open /dev/stdout. False for ids of another user namespace. */
  readonly givePipes: boolean;
  readonly umask: number;
  /** The user to become, who was looked up before by {@link findUser}. `null` keeps the user as it is. */
  readonly user: string | null;
  /** `beforeUser` has the steps that need the rights of the old user, `afterUser` those that take rights away from the new one. */
  readonly beforeUser?: readonly Step[];
  readonly afterUser?: readonly Step[];
  /** Steps for when all else is done, just before execve. */
  readonly beforeExec?: readonly Step[];
  readonly argv: readonly string[];
  /** 'NAME=value' */
  readonly env: readonly string[];
}

export interface TailSteps {
  /** They set the folder, the streams, the umask and the user. After them the process may do only what the program may. */
  readonly confine: readonly Step[];
  /** Steps of the program's own process; execve is the last one. */
  readonly run: readonly Step[];
}

/** Who a program runs as. */
export interface ProgramUser {
  /** 'user' or 'user:group'. */
  readonly user: string;
  /** Groups, by name or number, beside those that the user is in. */
  readonly groupAdd: readonly string[];
  /** The program has the groups of whoever starts it, which that user can't leave. Default: those of the user. */
  readonly keepsGroups?: boolean;
  /** The id that takes the place of root's, as user and as group, whatever the files say. Default: root may be the user. */
  readonly notRoot?: number;
}

/** Steps that look up who the program's user is, in files of this ground. */
export function findUser({ user, groupAdd, keepsGroups = false, notRoot }: ProgramUser, ground: Ground): Step[] {
  return [
    { op: 'user', user, apply: 0, ...ground },
    ...(notRoot === undefined ? [] : [{ op: 'not_root', id: notRoot } as const]),
    ...addGroups(groupAdd, { apply: 0, ...ground }),
    ...(keepsGroups ? [KEEP_GROUPS] : []),
  ];
}

/** Before a change of user that can't change groups. */
export const KEEP_GROUPS: Step = { op: 'keep_groups' };

function addGroups(groups: readonly string[], how: { readonly apply: 0 | 1 } & Ground): Step[] {
  return groups.length === 0 ? [] : [{ op: 'add_groups', groups, ...how }];
}

/** A change of ids makes a process as dumpable as fs.suid_dumpable says (proc(5)), and it may show what it was set up with until execve. */
function become(user: string): Step[] {
  return [
    { op: 'user', user, apply: 1, ...ANYWHERE },
    { op: 'dumpable', value: 0 },
  ];
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
      ...(user === null ? [] : become(user)),
      ...afterUser,
    ],
    run: [
      // the change of user clears the parent-death signal, so it is set after that
      { op: 'parent_death_signal', signal: SIGKILL },
      ...beforeExec,
      { op: 'exec', path: argv[0] ?? '', argv, env },
    ],
  };
}

/** A program on the host's own files, with nothing that confines it. */
export interface ProgramRequest extends Pick<ProgramTail, 'env' | 'streams' | 'user' | 'givePipes'>, Pick<ProgramUser, 'keepsGroups'> {
  readonly options: ParsedProcess;
  readonly command: readonly string[];
}

/** The last steps of the stage that runs the program. */
export function programSteps({ options, command, env, streams, user, givePipes, keepsGroups = false }: ProgramRequest): Step[] {
  const { confine, run } = tailSteps({
    cwd: { path: options.cwd ?? '/', create: 0, ...ANYWHERE },
    streams,
    givePipes: givePipes && user !== null,
    umask: options.umask,
    user,
    argv: command,
    env,
  });
  const groupAdd = options.groupAdd ?? [];
  // without a user the process keeps the groups that it has
  const found = user === null ? addGroups(groupAdd, { apply: 1, ...ANYWHERE }) : findUser({ user, groupAdd, keepsGroups }, ANYWHERE);
  return [{ op: 'setsid' }, ...found, ...confine, ...run];
}
