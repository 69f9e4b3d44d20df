import { constants } from 'node:os';
import * as z from 'zod';
import { type CapabilityName, capabilityNames } from '../../plan/capability-names.js';
import { allows, precedence } from '../actions.js';
import { didYouMean } from '../did-you-mean.js';
import type { Action, Operator } from '../profile.js';
import { callNames, isKnownCall } from './call-names.js';
import { actionNames, architectureNames, filterFlags, type NamedAction, nativeNames } from './field-names.js';
import type { ParsedArgument, ParsedConditions, ParsedGroup, ParsedProfile } from './parsed-profile.js';

// Go writes null for a list or text that is not there.

const all64 = 2n ** 64n - 1n;
const operators = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'] as const satisfies readonly Operator[];
const EPERM = 1;
/** The kernel's MAX_ERRNO: a filter's larger one would become this. */
const MAX_ERRNO = 4095;
/** The 16 bits that a tracer hears. */
const MAX_TRACE = 0xffff;

const WORD64 = 'must be a whole number from 0 to 2^64 - 1; a bigint from 2^53 on';
const word64 = z
  .union([z.number(), z.bigint()], { error: WORD64 })
  .refine((value) => typeof value === 'bigint' || Number.isSafeInteger(value), { error: WORD64, abort: true })
  .transform(BigInt)
  .refine((value) => value >= 0n && value <= all64, WORD64);

const argument = z
  .strictObject({
    index: z.int().min(0).max(5),
    value: word64,
    valueTwo: word64.nullish(),
    op: z.enum(operators.map((operator) => `SCMP_CMP_${operator}` as const)),
  })
  .transform(({ index, value, valueTwo, op }): ParsedArgument => {
    const operator = operators.find((name) => op === `SCMP_CMP_${name}`) ?? 'EQ';
    return operator === 'MASKED_EQ'
      ? { index, op: operator, value: (valueTwo ?? 0n) & value, mask: value }
      : { index, op: operator, value, mask: all64 };
  });

function isCapability(name: string): name is CapabilityName {
  return (capabilityNames as readonly string[]).includes(name);
}

/** A typing mistake here would leave out a rule, or leave one in. */
const capability = z.string().transform((text, context): CapabilityName => {
  const name = text.toUpperCase().replace(/^CAP_/, '');
  if (isCapability(name)) return name;
  context.addIssue(`is no capability: ${JSON.stringify(text)}${didYouMean(name, capabilityNames)}`);
  return z.NEVER;
});

const kernel = z
  .string()
  .regex(/^\d{1,5}\.\d{1,5}(\.\d{1,5})?$/, "must be a version such as '5.11'")
  .transform((text) => text.split('.').map(Number));

const conditions = z
  .strictObject({ caps: z.array(capability).nullish(), arches: z.array(z.enum(nativeNames)).nullish(), minKernel: kernel.nullish() })
  .nullish()
  .transform((given): ParsedConditions => ({ caps: given?.caps ?? [], arches: given?.arches ?? [], minKernel: given?.minKernel ?? null }));

const errnoName = z.string().transform((name, context) => {
  const number = Object.entries(constants.errno).find(([known]) => known === name)?.[1];
  if (number !== undefined) return number;
  context.addIssue(`is no name of an errno: ${JSON.stringify(name)}${didYouMean(name, Object.keys(constants.errno))}`);
  return z.NEVER;
});

interface GivenAction {
  readonly action: NamedAction;
  readonly number: number | null | undefined;
  readonly byName: number | null | undefined;
}

/** The action with its number; complains about numbers that are none of this action. */
function actionOf({ action, number, byName }: GivenAction, field: string, context: z.RefinementCtx): Action {
  const complain = (message: string): void => context.addIssue({ code: 'custom', path: [field], message });
  const given = byName ?? number ?? EPERM;
  if (typeof action === 'string') {
    if ((number ?? byName ?? null) !== null) complain('goes with SCMP_ACT_ERRNO and SCMP_ACT_TRACE alone');
    return action === 'notify' ? { errno: EPERM } : action;
  }
  if (number !== null && number !== undefined && number !== given) complain(`is ${number}, but the name beside it means ${given}`);
  if (action.takes === 'trace') return { trace: given };
  if (given > MAX_ERRNO) complain(`must be at most ${MAX_ERRNO}, not ${given}`);
  return { errno: given };
}

const action = z.enum(Object.keys(actionNames) as (keyof typeof actionNames)[]).transform((name): NamedAction => actionNames[name]);
const number16 = z.int().min(0).max(MAX_TRACE).nullish();
const callName = z.string().regex(/^\w{1,64}$/, 'must be the name of a system call');

const group = z
  .strictObject({
    names: z.array(callName).min(1).nullish(),
    name: callName.nullish(),
    action,
    errnoRet: number16,
    errno: errnoName.nullish(),
    args: z.array(argument).max(64).nullish(),
    comment: z.string().nullish(),
    includes: conditions,
    excludes: conditions,
  })
  .transform(
    ({ names, name, action, errnoRet, errno, args, includes, excludes }, context): ParsedGroup & { readonly asked: NamedAction } => {
      if (names && name) context.addIssue({ code: 'custom', path: ['name'], message: "can't go with names" });
      if (!names && !name) context.addIssue({ code: 'custom', path: ['names'], message: 'is missing: a list of system calls is needed' });
      return {
        asked: action,
        names: names ?? (name ? [name] : []),
        action: actionOf({ action, number: errnoRet, byName: errno }, 'errnoRet', context),
        args: args ?? [],
        includes,
        excludes,
      };
    },
  );

/**
 * A name that no kernel has is passed over, as in docker, for a later kernel may have it. But where the rest is allowed, what the rule is to
 * refuse would be allowed too.
 */
function complainOfUnknown(groups: readonly ParsedGroup[], defaultAction: Action, context: z.RefinementCtx): void {
  if (!allows(defaultAction)) return;
  for (const [at, { names, action }] of groups.entries()) {
    if (action === 'log' || precedence(action) >= precedence(defaultAction)) continue;
    for (const [index, name] of names.entries()) {
      if (isKnownCall(name)) continue;
      const message = `there is no system call ${JSON.stringify(name)} that could be refused${didYouMean(name, callNames())}`;
      context.addIssue({ code: 'custom', path: ['syscalls', at, 'names', index], message });
    }
  }
}

const architecture = z.enum(architectureNames);

/** The schema of a profile, in the words of the OCI runtime spec and of docker. */
export const profileSchema = z
  .strictObject({
    defaultAction: action,
    defaultErrnoRet: number16,
    defaultErrno: errnoName.nullish(),
    architectures: z.array(architecture).nullish(),
    archMap: z.array(z.strictObject({ architecture, subArchitectures: z.array(architecture).nullish() })).nullish(),
    syscalls: z.array(group).nullish(),
    flags: z.array(z.enum(Object.keys(filterFlags) as (keyof typeof filterFlags)[])).nullish(),
    listenerPath: z.string().nullish(),
    listenerMetadata: z.string().nullish(),
  })
  .transform((given, context): ParsedProfile => {
    const defaultAction = actionOf(
      { action: given.defaultAction, number: given.defaultErrnoRet, byName: given.defaultErrno },
      'defaultErrnoRet',
      context,
    );
    if (given.architectures?.length && given.archMap?.length)
      context.addIssue({ code: 'custom', path: ['archMap'], message: "can't go with architectures" });
    const groups = given.syscalls ?? [];
    complainOfUnknown(groups, defaultAction, context);
    return {
      defaultAction,
      architectures: given.architectures ?? [],
      archMap: Object.fromEntries(
        (given.archMap ?? []).map(({ architecture, subArchitectures }) => [architecture, subArchitectures ?? []]),
      ),
      groups: groups.map(({ asked, ...rest }) => (asked === 'notify' ? { ...rest, notifies: true } : rest)),
      flags: (given.flags ?? []).reduce((all, flag) => all | filterFlags[flag], 0),
      notifies: [given.defaultAction, ...groups.map(({ asked }) => asked)].includes('notify'),
      listener: given.listenerPath ? { path: given.listenerPath, metadata: given.listenerMetadata ?? '' } : null,
    };
  });
