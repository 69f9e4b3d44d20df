import { constants } from 'node:os';
import { array, bigint, type Complain, either, int, number, oneOf, strictObject, string } from '../../options/option-fields.js';
import { capabilityNames } from '../../plan/capability-names.js';
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
const word64 = either(number(), bigint(), WORD64).find(
  (value) => (typeof value === 'bigint' || Number.isSafeInteger(value) ? inWord(BigInt(value)) : undefined),
  () => WORD64,
);

function inWord(value: bigint): bigint | undefined {
  return value >= 0n && value <= all64 ? value : undefined;
}

const argument = strictObject(
  { index: int().min(0).max(5), value: word64, op: oneOf(operators.map((operator) => `SCMP_CMP_${operator}` as const)) },
  { valueTwo: word64.nullable() },
).transform(({ index, value, valueTwo, op }): ParsedArgument => {
  const operator = operators.find((name) => op === `SCMP_CMP_${name}`) ?? 'EQ';
  return operator === 'MASKED_EQ'
    ? { index, op: operator, value: (valueTwo ?? 0n) & value, mask: value }
    : { index, op: operator, value, mask: all64 };
});

const withoutCap = (text: string): string => text.toUpperCase().replace(/^CAP_/, '');

/** A typing mistake here would leave out a rule, or leave one in. */
const capability = string().find(
  (text) => capabilityNames.find((name) => name === withoutCap(text)),
  (text) => `is no capability: ${JSON.stringify(text)}${didYouMean(withoutCap(text), capabilityNames)}`,
);

const kernel = string()
  .regex(/^\d{1,5}\.\d{1,5}(\.\d{1,5})?$/, "must be a version such as '5.11'")
  .transform((text) => text.split('.').map(Number));

const conditions = strictObject(
  {},
  { caps: array(capability).nullable(), arches: array(oneOf(nativeNames)).nullable(), minKernel: kernel.nullable() },
)
  .nullish()
  .transform((given): ParsedConditions => ({ caps: given?.caps ?? [], arches: given?.arches ?? [], minKernel: given?.minKernel ?? null }));

const errnoName = string().find(
  (name) => Object.entries(constants.errno).find(([known]) => known === name)?.[1],
  (name) => `is no name of an errno: ${JSON.stringify(name)}${didYouMean(name, Object.keys(constants.errno))}`,
);

interface GivenAction {
  readonly action: NamedAction;
  readonly number: number | null | undefined;
  readonly byName: number | null | undefined;
}

/** The action with its number; complains about numbers that are none of this action. */
function actionOf({ action, number, byName }: GivenAction, field: string, complainOf: Complain): Action {
  const complain = (message: string): void => complainOf({ path: [field], message });
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

const action = oneOf(Object.keys(actionNames) as (keyof typeof actionNames)[]).transform((name): NamedAction => actionNames[name]);
const number16 = int().min(0).max(MAX_TRACE).nullable();
const callName = string().regex(/^\w{1,64}$/, 'must be the name of a system call');

const group = strictObject(
  { action, includes: conditions, excludes: conditions },
  {
    names: array(callName).min(1).nullable(),
    name: callName.nullable(),
    errnoRet: number16,
    errno: errnoName.nullable(),
    args: array(argument).max(64).nullable(),
    comment: string().nullable(),
  },
).transform(
  ({ names, name, action, errnoRet, errno, args, includes, excludes }, complain): ParsedGroup & { readonly asked: NamedAction } => {
    if (names && name) complain({ path: ['name'], message: "can't go with names" });
    if (!names && !name) complain({ path: ['names'], message: 'is missing: a list of system calls is needed' });
    return {
      asked: action,
      names: names ?? (name ? [name] : []),
      action: actionOf({ action, number: errnoRet, byName: errno }, 'errnoRet', complain),
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
function complainOfUnknown(groups: readonly ParsedGroup[], defaultAction: Action, complain: Complain): void {
  if (!allows(defaultAction)) return;
  for (const [at, { names, action }] of groups.entries()) {
    if (action === 'log' || precedence(action) >= precedence(defaultAction)) continue;
    for (const [index, name] of names.entries()) {
      if (isKnownCall(name)) continue;
      const message = `there is no system call ${JSON.stringify(name)} that could be refused${didYouMean(name, callNames())}`;
      complain({ path: ['syscalls', at, 'names', index], message });
    }
  }
}

const architecture = oneOf(architectureNames);
const flag = oneOf(Object.keys(filterFlags) as (keyof typeof filterFlags)[]);

/** A profile, in the words of the OCI runtime spec and of docker. */
export const profileField = strictObject(
  { defaultAction: action },
  {
    defaultErrnoRet: number16,
    defaultErrno: errnoName.nullable(),
    architectures: array(architecture).nullable(),
    archMap: array(strictObject({ architecture }, { subArchitectures: array(architecture).nullable() })).nullable(),
    syscalls: array(group).nullable(),
    flags: array(flag).nullable(),
    listenerPath: string().nullable(),
    listenerMetadata: string().nullable(),
  },
).transform((given, complain): ParsedProfile => {
  const defaultAction = actionOf(
    { action: given.defaultAction, number: given.defaultErrnoRet, byName: given.defaultErrno },
    'defaultErrnoRet',
    complain,
  );
  if (given.architectures?.length && given.archMap?.length) complain({ path: ['archMap'], message: "can't go with architectures" });
  const groups = given.syscalls ?? [];
  complainOfUnknown(groups, defaultAction, complain);
  return {
    defaultAction,
    architectures: given.architectures ?? [],
    archMap: Object.fromEntries((given.archMap ?? []).map(({ architecture, subArchitectures }) => [architecture, subArchitectures ?? []])),
    groups: groups.map(({ asked, ...rest }) => (asked === 'notify' ? { ...rest, notifies: true } : rest)),
    flags: (given.flags ?? []).reduce((all, flag) => all | filterFlags[flag], 0),
    notifies: [given.defaultAction, ...groups.map(({ asked }) => asked)].includes('notify'),
    listener: given.listenerPath ? { path: given.listenerPath, metadata: given.listenerMetadata ?? '' } : null,
  };
});
