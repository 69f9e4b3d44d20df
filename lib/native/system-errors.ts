import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { errnoOf, isError, SyscallError, toError } from '../errors.js';
import { CLONE } from '../plan/constants.js';
import type { Plan } from '../plan/plan.js';
import { type Step, stepTable } from '../plan/steps.js';
import { hintFor } from './hints.js';
import { Where } from './protocol.js';
import type { StepFailure } from './step-failure.js';

const rows = new Map(stepTable.map((row) => [row.op, row]));

/** The kernel's name: 'ENOENT'. */
export function errnoName(errno: number): string {
  const known = Object.entries(constants.errno).find(([, value]) => value === errno);
  return kernelNames[errno] ?? known?.[0] ?? `errno ${errno}`;
}

/** Names of errno(3) that Node's table lacks, or has under libc's name. */
const kernelNames: Readonly<Record<number, string>> = {
  15: 'ENOTBLK',
  65: 'ENOPKG',
  66: 'EREMOTE',
  77: 'EBADFD',
  79: 'ELIBACC',
  80: 'ELIBBAD',
  87: 'EUSERS',
  95: 'EOPNOTSUPP',
  117: 'EUCLEAN',
  121: 'EREMOTEIO',
  123: 'ENOMEDIUM',
  124: 'EMEDIUMTYPE',
  126: 'ENOKEY',
  127: 'EKEYEXPIRED',
  128: 'EKEYREVOKED',
  129: 'EKEYREJECTED',
  132: 'ERFKILL',
  133: 'EHWPOISON',
};

/** Where Node has other words than the C library: about sockets alone, and not those that engines look for. */
const kernelWords: ReadonlyMap<number, string> = new Map([
  [constants.errno.EOPNOTSUPP, 'operation not supported'],
  [constants.errno.EISDIR, 'is a directory'],
  [constants.errno.ENOEXEC, 'exec format error'],
]);

/** 'no such file or directory'; '' for what Node has no words for. */
export function errnoWords(errno: number): string {
  return kernelWords.get(errno) ?? getSystemErrorMap().get(-errno)?.[1] ?? '';
}

function outsidePlan(errno: number): Parameters<typeof hintFor>[0] {
  return { op: null, errno, where: Where.call, isOwnUser: true };
}

/** The error of a system call outside a plan. `what` is what was being done, in the caller's words. */
export function nativeError(what: string, syscall: string, errno: number, path: string | null = null, cause?: unknown): SyscallError {
  const name = errnoName(errno);
  const hint = hintFor(outsidePlan(errno));
  return new SyscallError(`${what}: ${name}${suffix(errnoWords(errno))}${hint ? `. ${hint}` : ''}`, {
    errno,
    errnoName: name,
    syscall,
    path,
    hint,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Makes an error of ours of what a failed call of Node's throws (`node:fs`, `node:child_process`). Anything else is returned as it is. */
export function systemError(what: string, thrown: unknown): unknown {
  const errno = errnoOf(thrown);
  if (errno === undefined || thrown instanceof SyscallError || !isError(thrown)) return thrown;
  if (!('syscall' in thrown && typeof thrown.syscall === 'string')) return thrown;
  const path = 'path' in thrown && typeof thrown.path === 'string' ? thrown.path : null;
  return nativeError(what, thrown.syscall, errno, path, thrown);
}

/** What was thrown in words, with the usual cure where the system refused. */
export function wordsOf(thrown: unknown): string {
  const { message } = toError(thrown);
  if (thrown instanceof SyscallError) return message;
  const errno = errnoOf(thrown);
  const hint = errno === undefined ? null : hintFor(outsidePlan(errno));
  return hint === null ? message : `${message}. ${hint}`;
}

/** Does some work with Node's own calls. @throws SyscallError that says what was being done, and what usually cures it */
export function attempt<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw systemError(what, error);
  }
}

/** The same for asynchronous work. */
export async function attempting<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw systemError(what, error);
  }
}

/** Turns the place of a failure into words: what was being done, on what path, what the kernel says, and the usual cure. */
export function stepError(failure: StepFailure, steps: { plan: Plan; call?: readonly Step[] }, cleanupError?: Error): SyscallError {
  const { step, text } = ofList(stepAt(failure, steps), failure.text.trim());
  const name = errnoName(failure.errno);
  const what = step ? wordsOfStep(step) : (whereWords[failure.where] ?? 'run the plan');
  const isOwnUser = steps.plan.stages.every(({ flags }) => (flags & CLONE.user) === 0);
  const hint = hintFor({ op: step?.op ?? null, errno: failure.errno, where: failure.where, isOwnUser });
  const detail = [errnoWords(failure.errno), text].filter((part) => part !== '').join(': ');
  return new SyscallError(`${what}: ${name}${suffix(detail)}${hint ? `. ${hint}` : ''}`, {
    errno: failure.errno,
    errnoName: name,
    syscall: (step && rows.get(step.op)?.call) ?? 'clone3',
    step: step?.op ?? null,
    path: step && 'path' in step ? step.path : null,
    hint,
    ...(cleanupError ? { cleanupError } : {}),
  });
}

/** Of a list that stands in a step's place the shim tells the one that failed, by its words. Those of a list that was put there since are not known here. */
function ofList(step: Step | undefined, text: string): { readonly step: Step | undefined; readonly text: string } {
  if (step?.op !== 'run_steps') return { step, text };
  for (const one of step.steps) {
    const words = wordsOfStep(one);
    if (text === words || text.startsWith(`${words}: `)) return { step: one, text: text.slice(words.length + 2) };
  }
  return { step, text };
}

const whereWords: Readonly<Record<number, string>> = {
  [Where.clone]: 'start the process',
  [Where.plan]: 'read the plan',
  [Where.end]: 'wait for the end of its processes',
  [Where.undo]: 'clean up',
  [Where.removal]: 'remove the container',
};

/** The errors for what failed at a task's end; a run after the first that could not be made is told apart. */
export function undoErrorsOf(failures: readonly StepFailure[], plan: Plan): { undoErrors: Error[]; notStartedAgain: Error | null } {
  const isOfRun = ({ where }: StepFailure): boolean => where === Where.prepareAgain || where >= Where.stagesAgain;
  const run = failures.find(isOfRun);
  return {
    undoErrors: failures.filter((item) => !isOfRun(item)).map((item) => stepError(item, { plan })),
    notStartedAgain: run ? stepError(run, { plan }) : null,
  };
}

/** The step at a place that the shim names. */
export function stepAt(
  { where, index }: Pick<StepFailure, 'where' | 'index'>,
  { plan, call }: { plan: Plan; call?: readonly Step[] },
): Step | undefined {
  if (where === Where.prepare) return plan.prepare[index];
  if (where === Where.undo) return plan.undo[index];
  if (where === Where.removal) return plan.keep?.removal[index];
  if (where === Where.call) return call?.[index];
  if (where === Where.prepareAgain) return plan.again?.prepare[index];
  if (where >= Where.stagesAgain) return plan.again?.stages[where - Where.stagesAgain]?.steps[index];
  return plan.stages[where]?.steps[index];
}

/** The step's words, with its fields filled in. */
export function wordsOfStep(step: Step): string {
  const fields: Readonly<Record<string, unknown>> = { ...step };
  return (rows.get(step.op)?.what ?? step.op).replaceAll(/\{(\w+)\}/g, (_, field: string) => String(fields[field] ?? ''));
}

function suffix(detail: string): string {
  return detail === '' ? '' : ` (${detail})`;
}
